"""Dispatch of deliveries to sessions: words at once, assignments when the agent is idle."""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from actors.graph.graph import Graph
from actors.graph.node import Node
from actors.lib.ids import new_id
from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Adopt, Deliver, Restart, SessionState, Unblock
from actors.router.context import ContextBuilder
from actors.router.lane import Lane
from actors.router.lanes import Lanes, is_shortened
from actors.router.progress import log_handed_over
from actors.router.under_way import tell_under_way
from actors.router.unit_of_work import UnitOfWork

UNREAD = 10
"""The most outstanding deliveries that Claude has not read yet, to which words are added."""
AHEAD = 10
"""The most words that are sent before an assignment that could go."""


class Dispatch:
    """The only place that sends to sessions.

    What must hold:

    - A delivery is handed over in the transaction that records it (``Lanes.hand_over``). So a session that was
      restarted is given exactly what the journal says that it has.
    - An assignment goes only to an agent with nothing outstanding, nothing in hand, no turn and no work in the
      background, and not during a replay, whose later events may undo it. So an agent works on one subtask at a time.
    - Words (all other deliveries) go at once, into a running turn too, up to ``most`` at a time, of which Claude may
      have ``UNREAD`` still to read.
    - Words and assignments share fairly: before an assignment that could go at most ``AHEAD`` words are sent, however
      many wait. While work in the background keeps the assignment back, they go one at a time.
    - An assignment's text is composed when it is handed over, so that it has its upstreams' latest results.

    Args:
        lanes: The agents.
        graph: The subtasks.
        context: Composes assignments.
        auto_start: Start sessions as they are needed.
        most: The most outstanding deliveries of an agent.
        agents: Returns the agents that have a prompt; None: any name may be an agent's.

    Attributes:
        is_replaying: True while the backend resends missed events, when no assignment is handed over.
    """

    def __init__(
        self,
        lanes: Lanes,
        graph: Graph,
        context: ContextBuilder,
        *,
        auto_start: bool,
        most: int,
        agents: Callable[[], Collection[str] | None],
    ) -> None:
        self._lanes = lanes
        self._graph = graph
        self._context = context
        self._auto_start = auto_start
        self._most = most
        self._agents = agents
        self.is_replaying = False

    def settle(self, agents: Iterable[str], work: UnitOfWork) -> None:
        """Hand over all deliveries that can go now to these agents, and to those that go on because of them.

        Words may resume a held subtask, and with it its other assignees; they are appended to the queue of this loop.
        It ends, since only a held subtask can be resumed, and nothing here holds one.
        """
        due = deque(dict.fromkeys(agents))
        while due:
            lane = self._lanes.of(due.popleft(), work)
            self._lanes.changed.add(lane.agent)
            if not lane.is_up:
                self._start(lane, work)
            elif lane.is_usable:
                due.extend(self._send_words(lane, work))
                if self._send_assignment(lane, work):
                    due.extend(self._send_words(lane, work))  # those that were to wait for it
            elif lane.is_at_rest:
                self._wake(lane, work)
            elif lane.state is SessionState.BLOCKED:
                self._lay_to_rest(lane, work)

    # ------------------------------------------------------------ sessions

    def resume(self, work: UnitOfWork) -> None:
        """Ask running sessions for their state after a start, and start those of agents with a subtask in hand."""
        for lane in self._lanes.by_agent.values():
            work.tell_session(lane.session, RouterStarted())
            if self._auto_start and self._lanes.in_hand(lane) is not None:
                work.ensure(lane.session)

    def start_session(self, agent: str, work: UnitOfWork) -> None:
        """Start a session on request, or have it try again if it is blocked."""
        session = self._lanes.of(agent, work).session
        work.ensure(session)
        work.tell_session(session, Unblock())

    def restart(self, agent: str, work: UnitOfWork, *, new_conversation: bool) -> None:
        """Restart an agent's process, in its conversation or in a new one."""
        lane = self._lanes.of(agent, work)
        work.ensure(lane.session)
        if new_conversation:
            self.renew(lane, work)
        else:
            work.tell_session(lane.session, Restart())

    def session_ready(self, lane: Lane, work: UnitOfWork, *, idle: bool) -> None:
        """Give a session that is up its conversation and its outstanding deliveries."""
        lane.is_up = True
        if lane.state is not SessionState.READY and not (lane.is_busy and not idle):
            lane.state = SessionState.STARTING
        self._resume(lane, work)

    # ------------------------------------------------------------ conversations

    def renew(self, lane: Lane, work: UnitOfWork) -> None:
        """Begin a new conversation, in which the subtask in hand is given again."""
        self._begin(lane, new_id(), work)
        self._resume(lane, work)

    def _resume(self, lane: Lane, work: UnitOfWork) -> None:
        """Tell the session its conversation and its outstanding deliveries."""
        work.tell_session(lane.session, Adopt(session_id=lane.session_id))
        for delivery in lane.under_way():
            work.tell_session(lane.session, Deliver(delivery=self._lanes.whole(delivery)))

    def forget(self, lane: Lane, work: UnitOfWork) -> None:
        """Give the subtask in hand again where the history that held it is gone."""
        if self._was_given(lane):
            self._begin(lane, lane.session_id, work)

    def _was_given(self, lane: Lane) -> bool:
        """Return whether the subtask in hand was delivered.

        While it is outstanding nothing is to be done: the session looks for it in the history, and writes it anew.
        """
        on_its_way = {each.subtask_id for each in lane.outstanding.values() if each.kind.assigns}
        return lane.in_hand is not None and lane.in_hand not in on_its_way

    def _begin(self, lane: Lane, session_id: str, work: UnitOfWork) -> None:
        """Note a conversation in which the agent knows nothing of what it was given before."""
        self._lanes.begin(lane, session_id, work)
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is None or not self._was_given(lane):
            return
        self._lanes.take_in_hand(lane, None)
        if (
            node.hold is None
            and not node.is_closed
            and not self._lanes.has_waiting_assignment(node.id, lane.agent)
        ):
            work.note("subtask.given_again", node.id, lane.agent, reason="its conversation is gone")
            self.assign(lane.agent, node, work)

    # ------------------------------------------------------------ assignments

    def assign(self, agent: str, node: Node, work: UnitOfWork) -> None:
        """Queue the assignment of a node; its text is composed when it is handed over."""
        self._lanes.queue(agent, _assignment(node), node.id, work)

    def go_on(self, agent: str, node: Node, work: UnitOfWork) -> None:
        """Have an agent go on with a node that is no longer held, or queue its assignment if it isn't in hand."""
        lane = self._lanes.of(agent, work)
        if lane.in_hand == node.id:
            self._lanes.take_in_hand(lane, node.id)
            if self._auto_start:
                work.ensure(lane.session)
            work.tell_session(lane.session, Unblock())
        elif not self._lanes.has_waiting_assignment(node.id, agent):
            self.assign(agent, node, work)

    # ------------------------------------------------------------ inside

    def _start(self, lane: Lane, work: UnitOfWork) -> None:
        wanted = lane.outstanding or lane.words.head() or lane.assignments.head()
        if self._auto_start and wanted and not self.is_replaying:
            work.ensure(lane.session)

    def _lay_to_rest(self, lane: Lane, work: UnitOfWork) -> None:
        """Call an agent without a prompt blocked no more once nothing is left for it: mostly its name was a mistake."""
        if self._is_needed(lane) or lane.agent in (self._agents() or {lane.agent}):
            return
        lane.is_at_rest = True
        self._lanes.set_state(lane, SessionState.STOPPED, "", work)
        work.note("session.stopped", agent=lane.agent, detail="it has no prompt, and nothing is left for it")

    def _wake(self, lane: Lane, work: UnitOfWork) -> None:
        if self._is_needed(lane):
            lane.is_at_rest = False
            self.start_session(lane.agent, work)

    def _is_needed(self, lane: Lane) -> bool:
        """Return whether there is anything for the agent but words about what is over, or isn't its own any more."""
        lane.words.head()  # reads on in the journal
        lane.assignments.head()
        waiting = [*lane.words.in_memory(), *lane.assignments.in_memory()]
        return bool(self._graph.held(lane.agent)) or any(
            self._concerns(lane.agent, each) for each in [*lane.outstanding.values(), *waiting]
        )

    def _concerns(self, agent: str, delivery: Delivery) -> bool:
        if delivery.subtask_id is None:
            return True
        node = self._graph.get(delivery.subtask_id)
        return node is not None and not node.is_closed and agent in (node.assignees or ())

    def _send_words(self, lane: Lane, work: UnitOfWork) -> list[str]:
        """Send words up to the capacity; return the other agents that go on because of them."""
        others: list[str] = []
        capacity = min(self._most - len(lane.outstanding), UNREAD - lane.unread)
        while capacity > 0 and (delivery := lane.words.head()):
            is_wanted = self._wants_assignment(lane)
            if is_wanted and lane.ahead >= AHEAD and (lane.outstanding or not lane.in_background):
                break
            if is_shortened(delivery) and not lane.has_capacity_for_documents:
                break
            capacity -= 1
            lane.ahead += is_wanted
            lane.words.pop()
            others += self._pick_up(lane, delivery, work)
            self._send(lane, delivery, work)
        return others

    def _wants_assignment(self, lane: Lane) -> bool:
        """Return whether an assignment waits that can go as soon as nothing is outstanding."""
        is_free = not self.is_replaying and self._lanes.in_hand(lane) is None
        return is_free and lane.assignments.head() is not None

    def _send_assignment(self, lane: Lane, work: UnitOfWork) -> bool:
        """Send an assignment if one can go; return whether none is in the way of words any more."""
        if lane.outstanding or lane.is_busy or not self._wants_assignment(lane):
            return False
        lane.ahead = 0
        while (delivery := lane.assignments.head()) is not None:
            lane.assignments.pop()
            node = self._graph.get(delivery.subtask_id) if delivery.subtask_id else None
            if node is not None and node.hold is None:
                self._lanes.take_in_hand(lane, node.id)
                self._send(lane, self._write(delivery, node), work)
                log_handed_over(node, lane.agent)
                break
            # Not left in the queue, where it would keep others waiting: ``go_on`` queues it anew after the hold.
            reason = "its subtask is unknown" if node is None else "its subtask is held"
            self._lanes.withdraw_one(delivery, reason, work)
        return True

    def _write(self, delivery: Delivery, node: Node) -> Delivery:
        """Compose an assignment's text, with the latest results of its upstreams."""
        kind = _assignment(node)
        parent = self._graph.get(node.parent) if node.parent else None
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        known = [upstream for upstream in upstreams if upstream is not None]
        words = self._lanes.words_before(self._lanes.by_agent[delivery.agent], node.id)
        context = self._context.assignment(delivery.id, kind, node, parent, known, words)
        update = {"kind": kind, "text": context.text, "document": context.document}
        return delivery.model_copy(update=update)

    def _send(self, lane: Lane, delivery: Delivery, work: UnitOfWork) -> None:
        self._lanes.hand_over(lane, delivery, work)
        work.tell_session(lane.session, Deliver(delivery=self._lanes.whole(delivery)))

    def _pick_up(self, lane: Lane, delivery: Delivery, work: UnitOfWork) -> list[str]:
        """Resume the subtask that words are about, if the agent has nothing in hand: they answer what it is held for.

        Returns:
            The other agents that go on with it too.
        """
        if self._lanes.in_hand(lane) is not None or delivery.kind is DeliveryKind.SUBTASK_CLOSED:
            return []
        node = self._lanes.meant_by(lane.agent, delivery.subtask_id)
        if node is None or node.is_closed or not node.released or lane.agent not in (node.assignees or ()):
            return []
        others: list[str] = []
        if self._graph.resume(node):
            if node.started:
                tell_under_way(node, work)
            others = [each for each in node.assignees or () if each != lane.agent]
            for other in others:
                self.go_on(other, node, work)
        if not self._lanes.has_waiting_assignment(node.id, lane.agent):
            if node.started or lane.in_hand == node.id:
                self._lanes.take_in_hand(lane, node.id)
            else:
                self.assign(lane.agent, node, work)
        return others


def _assignment(node: Node) -> DeliveryKind:
    return DeliveryKind.DEPENDENCY_COMPLETED if node.upstreams else DeliveryKind.TASK_READY
