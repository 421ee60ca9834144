"""Hands deliveries to sessions: at once what concerns the subtask in hand, a new subtask when idle."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from actors.graph.graph import Graph
from actors.graph.node import Node
from actors.journal.journal import Journal
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep
from actors.protocol.names import SESSIONS, session_name
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Adopt, Deliver, SessionState, Unblock
from actors.router.context import ContextBuilder
from actors.router.lanes import Lane, Window
from actors.router.outgoing import Outgoing
from supervisors import ChildSpec, StartChild


class Dispatch:
    """The lanes of all agents.

    Args:
        context: Writes an assignment's text at the moment when it is handed over.
        session: The child spec of an agent's session actor.
        auto_start: Start sessions as they are needed.
        queue_size: How many deliveries of one agent are held in memory.
    """

    def __init__(
        self,
        journal: Journal,
        graph: Graph,
        outgoing: Outgoing,
        *,
        context: ContextBuilder,
        session: Callable[[str], ChildSpec],
        auto_start: bool,
        queue_size: int,
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._outgoing = outgoing
        self._context = context
        self._session = session
        self._auto_start = auto_start
        self._queue_size = queue_size
        self.lanes: dict[str, Lane] = {}
        self.is_replaying = False
        self._unsettled: dict[str, Lane] = {}
        self.changed: set[str] = set()
        """Agents whose waiting deliveries or subtask in hand changed, for the files that people read."""
        self._load()

    def _load(self) -> None:
        for agent, session_id, state, in_hand, reminders in self._journal.agents.load():
            lane = self._new_lane(agent, session_id)
            lane.state, lane.in_hand, lane.reminders = SessionState(state), in_hand, reminders
            lane.outstanding = self._handed(agent)

    def _handed(self, agent: str) -> dict[str, Delivery]:
        return {each.id: each for _, each in self._journal.deliveries.handed(agent)}

    def find_agents(self, now: float) -> None:
        """Take up the agents that something is on its way to, though nothing else is known of them."""
        for agent in self._journal.deliveries.agents():
            if agent in self.lanes:
                continue
            lane = self.lane(agent, now)
            lane.outstanding = self._handed(agent)
            for delivery in lane.outstanding.values():
                if delivery.kind.assigns:
                    self._take_in_hand(lane, delivery.subtask_id)

    def resume(self) -> None:
        """After a start: hear from the sessions that live, and start those that have something to go on with."""
        for agent, lane in self.lanes.items():
            self._outgoing.tell(session_name(agent), RouterStarted())
            if self._auto_start and self.in_hand(lane) is not None:
                self._outgoing.tell(SESSIONS, StartChild(self._session(agent)))

    # ------------------------------------------------------------ what waits

    def add(
        self,
        agent: str,
        kind: DeliveryKind,
        subtask_id: str | None,
        now: float,
        text: Callable[[str], str] = lambda _: "",
    ) -> None:
        """Queue a delivery; ``text`` is given its id."""
        lane = self.lane(agent, now)
        delivery_id = str(uuid4())
        delivery = Delivery(
            id=delivery_id, agent=agent, kind=kind, subtask_id=subtask_id, text=text(delivery_id)
        )
        number = self._journal.deliveries.add(delivery, now)
        (lane.assignments if kind.assigns else lane.words).offer(number, delivery)
        self.unsettle(lane)

    def assign(self, agent: str, node: Node, now: float) -> None:
        """Queue the node itself; the text is written when it is handed over."""
        self.add(agent, _assignment(node), node.id, now)

    def retry(self, delivery: Delivery, now: float) -> None:
        """Queue a dead letter again."""
        lane = self.lane(delivery.agent, now)
        number, again = self._journal.deliveries.requeue(delivery.id)
        (lane.assignments if again.kind.assigns else lane.words).offer(number, again)
        if lane.in_hand == delivery.subtask_id and delivery.kind.assigns:
            self._take_in_hand(lane, None)
        self.unsettle(lane)

    def go_on(self, node: Node, now: float) -> None:
        """What held the node is over: those who have it in hand go on, and the others are given it again."""
        for agent in (node.assignees or ()) if node.released else ():
            self._go_on(agent, node, now)

    def withdraw(self, subtask_id: str, agent: str, reason: str, now: float) -> bool:
        """Take back what waits for the agent about the subtask; whether the agent has it already."""
        lane = self.lanes.get(agent)
        if lane is None:
            return False
        for _, delivery in self._journal.deliveries.of_subtask(subtask_id, agent):
            lane.assignments.drop(delivery.id)
            lane.words.drop(delivery.id)
            self._journal.deliveries.step(
                DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason=reason), now
            )
        has_it = lane.in_hand == subtask_id
        if has_it:
            self._take_in_hand(lane, None)
        self.unsettle(lane)
        return has_it

    def has_waiting_assignment(self, subtask_id: str, agent: str) -> bool:
        """Whether the subtask still waits to be handed to the agent."""
        waiting = self._journal.deliveries.of_subtask(subtask_id, agent)
        return any(delivery.kind.assigns for _, delivery in waiting)

    def is_given(self, subtask_id: str, agent: str) -> bool:
        """Whether the agent has the subtask in hand, or it is on its way there."""
        lane = self.lanes.get(agent)
        if lane is None:
            return False
        on_its_way = (each.subtask_id for each in lane.outstanding.values() if each.kind.assigns)
        return subtask_id in (lane.in_hand, *on_its_way) or self.has_waiting_assignment(subtask_id, agent)

    def settle(self, now: float) -> None:
        """Hand over whatever can be handed over now."""
        unsettled, self._unsettled = self._unsettled, {}
        for lane in unsettled.values():
            self.changed.add(lane.agent)
            if not lane.is_up:
                self._start(lane)
            elif lane.is_usable:
                self._send_words(lane, now)
                self._send_assignment(lane, now)

    def settle_all(self) -> None:
        """Look at every lane again."""
        self._unsettled.update(self.lanes)

    # ------------------------------------------------------------ what sessions say

    def session_ready(self, agent: str, now: float) -> Lane:
        """A session lives: give it its conversation, and what it was given before."""
        lane = self.lane(agent, now)
        lane.is_up = True
        if lane.state not in (SessionState.READY, SessionState.WORKING):
            lane.state = SessionState.STARTING
        name = session_name(agent)
        self._outgoing.tell(name, Adopt(session_id=lane.session_id))
        for delivery in lane.under_way():
            self._outgoing.tell(name, Deliver(delivery=delivery))
        self.unsettle(lane)
        return lane

    def sessions_lost(self) -> None:
        """No session lives: start those anew that something waits for."""
        for lane in self.lanes.values():
            lane.is_up = False
        self.settle_all()

    def session_changed(
        self, agent: str, state: SessionState, detail: str, pid: int | None, now: float
    ) -> Lane:
        """A session is doing something else."""
        lane = self.lane(agent, now)
        lane.state = state
        self._journal.agents.set_state(agent, state.value, detail, pid, now)
        self.unsettle(lane)
        return lane

    def progressed(self, agent: str, step: DeliveryStep, now: float) -> Delivery | None:
        """A delivery moved forward; the delivery as it was given, or None if this is no news."""
        lane = self.lane(agent, now)
        delivery = lane.outstanding.get(step.delivery_id)
        if delivery is None:
            return None
        if not lane.advance(delivery, step):
            if step.attempts is not None:
                self._journal.deliveries.count(step.delivery_id, step.attempts)
            return None
        self._journal.deliveries.step(step, now)
        if step.state.is_final:
            self.unsettle(lane)
        return delivery

    # ------------------------------------------------------------ what an agent has in hand

    def in_hand(self, lane: Lane) -> Node | None:
        """The subtask that the agent is to go on with; None if it is over, or held."""
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        return None if node is None or node.is_closed or node.hold is not None else node

    def let_go(self, lane: Lane) -> None:
        """What the agent has in hand never got there."""
        self._take_in_hand(lane, None)

    def remind(self, lane: Lane, now: float, text: Callable[[str], str]) -> None:
        """Tell the agent how to report."""
        lane.is_reminded = True
        self.add(lane.agent, DeliveryKind.REMINDER, lane.in_hand, now, text)

    def count_reminders(self, lane: Lane) -> int:
        """Count the one that the turn which is over came from; how many came to nothing, of what it has in hand."""
        if lane.is_reminded:
            lane.is_reminded = False
            lane.reminders += 1
            self._journal.agents.set_hand(lane.agent, lane.in_hand, lane.reminders)
        return lane.reminders

    def lane(self, agent: str, now: float) -> Lane:
        """The agent's lane; a new agent gets one, with a conversation of its own."""
        lane = self.lanes.get(agent)
        if lane is None:
            lane = self._new_lane(agent, str(uuid4()))
            self._journal.agents.add(agent, lane.session_id, now)
        return lane

    def start_session(self, agent: str, now: float) -> None:
        """Start it because somebody wants it, or have it try again if it is blocked."""
        self.lane(agent, now)
        self._outgoing.tell(SESSIONS, StartChild(self._session(agent)))
        self._outgoing.tell(session_name(agent), Unblock())

    def waiting(self, agent: str) -> list[dict[str, Any]]:
        """What is held in memory of what waits for the agent, as people read it in ``<agent>_queue.json``."""
        lane = self.lanes[agent]
        given = [_describe(each, lane.state_of(each)) for each in lane.outstanding.values()]
        held = [*lane.words.held(), *lane.assignments.held()]
        return given + [_describe(each, each.state) for each in held]

    # ------------------------------------------------------------ inside

    def _go_on(self, agent: str, node: Node, now: float) -> None:
        lane = self.lane(agent, now)
        if lane.in_hand == node.id:
            self._take_in_hand(lane, node.id)
            if self._auto_start:
                self._outgoing.tell(SESSIONS, StartChild(self._session(agent)))
            self._outgoing.tell(session_name(agent), Unblock())
        elif not self.has_waiting_assignment(node.id, agent):
            self.assign(agent, node, now)

    def _new_lane(self, agent: str, session_id: str) -> Lane:
        def window(*, assigning: bool) -> Window:
            fetch = partial(self._fetch, agent, assigning)
            return Window(self._queue_size, fetch)

        lane = Lane(agent, session_id, window(assigning=True), window(assigning=False))
        self.lanes[agent] = lane
        self.unsettle(lane)
        return lane

    def _fetch(self, agent: str, assigning: bool, after: int, limit: int) -> list[tuple[int, Delivery]]:  # noqa: FBT001 - bound by partial
        return self._journal.deliveries.waiting(agent, assigning=assigning, after=after, limit=limit)

    def unsettle(self, lane: Lane) -> None:
        """Look at this lane when the present message is done."""
        self._unsettled[lane.agent] = lane

    def _start(self, lane: Lane) -> None:
        wanted = lane.outstanding or lane.words.head() or lane.assignments.head()
        if self._auto_start and wanted and not self.is_replaying:
            self._outgoing.tell(SESSIONS, StartChild(self._session(lane.agent)))

    def _send_words(self, lane: Lane, now: float) -> None:
        while len(lane.outstanding) < self._queue_size and (delivery := lane.words.head()):
            lane.words.pop()
            self._pick_up(lane, delivery, now)
            self._send(lane, delivery, now)

    def _send_assignment(self, lane: Lane, now: float) -> None:
        if self.is_replaying or lane.outstanding or self.in_hand(lane) is not None:
            return
        while (delivery := lane.assignments.head()) is not None:
            lane.assignments.pop()
            node = self._graph.get(delivery.subtask_id) if delivery.subtask_id else None
            if node is not None and node.hold is None:
                self._take_in_hand(lane, node.id)
                self._send(lane, self._write(delivery, node), now)
                return
            reason = "its subtask is unknown" if node is None else "its subtask is held"  # until ``go_on``
            withdrawn = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason=reason)
            self._journal.deliveries.step(withdrawn, now)

    def _write(self, delivery: Delivery, node: Node) -> Delivery:
        """An assignment with its text: all that its upstreams have come to by now."""
        kind = _assignment(node)
        parent = self._graph.get(node.parent) if node.parent else None
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        known = [upstream for upstream in upstreams if upstream is not None]
        text = self._context.assignment(delivery.id, kind, node, parent, known)
        return delivery.model_copy(update={"kind": kind, "text": text})

    def _send(self, lane: Lane, delivery: Delivery, now: float) -> None:
        lane.outstanding[delivery.id] = delivery
        self._journal.deliveries.hand_over(delivery, now)
        self._outgoing.tell(session_name(lane.agent), Deliver(delivery=delivery))

    def _pick_up(self, lane: Lane, delivery: Delivery, now: float) -> None:
        """Words about a subtask put it back into the agent's hand, if that is free, and what held it is over."""
        if self.in_hand(lane) is not None or delivery.kind is DeliveryKind.SUBTASK_CLOSED:
            return
        node = self._graph.get(delivery.subtask_id) if delivery.subtask_id else self.held_alone(lane)
        if node is None or node.is_closed or not node.released or lane.agent not in (node.assignees or ()):
            return
        if self._graph.resume(node):
            for other in node.assignees or ():
                if other != lane.agent:
                    self._go_on(other, node, now)
        if self.has_waiting_assignment(node.id, lane.agent):
            return
        if node.started or lane.in_hand == node.id:
            self._take_in_hand(lane, node.id)
        else:
            self.assign(lane.agent, node, now)

    def held_alone(self, lane: Lane) -> Node | None:
        """The held subtask that words without a subject are about: the one in hand, or the only one."""
        held = self._graph.held(lane.agent)
        return next((node for node in held if node.id == lane.in_hand or len(held) == 1), None)

    def _take_in_hand(self, lane: Lane, subtask_id: str | None) -> None:
        lane.in_hand, lane.is_reminded, lane.reminders = subtask_id, False, 0
        self._journal.agents.set_hand(lane.agent, subtask_id, 0)


def _assignment(node: Node) -> DeliveryKind:
    return DeliveryKind.DEPENDENCY_COMPLETED if node.upstreams else DeliveryKind.TASK_READY


def _describe(delivery: Delivery, state: DeliveryState) -> dict[str, Any]:
    return {
        "delivery_id": delivery.id,
        "type": delivery.kind,
        "subtask_id": delivery.subtask_id,
        "state": state,
    }
