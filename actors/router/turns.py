"""What sessions say: how far deliveries came, and what to do when a turn has ended."""

from collections.abc import Callable

from actors.graph.graph import Graph
from actors.graph.node import Hold, Node
from actors.journal.history import History
from actors.journal.journal import Journal
from actors.protocol.deliveries import Delivery, DeliveryState
from actors.protocol.reports import Completion, ReportBlocked, ReportCompletion
from actors.protocol.sessions import Progressed, SessionChanged, SessionReady, SessionState, TurnEnded
from actors.router.alerts import log_blocked, log_dead
from actors.router.context import ContextBuilder
from actors.router.dispatch import Dispatch
from actors.router.lanes import Lane
from actors.router.markers import find_marker
from actors.router.reports import Reports
from actors.router.workflow import Workflow

REMINDERS = 2
"""How often an agent is reminded of a subtask before a person has to look."""

ReadResult = Callable[[str], ReportCompletion | ReportBlocked | None]
"""Reads the result file of a subtask, if there is a whole one."""


class Turns:
    """One method a kind of message from a session."""

    def __init__(
        self,
        journal: Journal,
        graph: Graph,
        dispatch: Dispatch,
        workflow: Workflow,
        reports: Reports,
        context: ContextBuilder,
        history: History,
        read_result: ReadResult,
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._dispatch = dispatch
        self._workflow = workflow
        self._reports = reports
        self._context = context
        self._history = history
        self._read_result = read_result

    def session_ready(self, message: SessionReady, now: float) -> None:
        """A session lives. Where it has nothing to go on with but a subtask in hand, it is asked about that."""
        lane = self._dispatch.session_ready(message.agent, now)
        if message.idle:
            self._after_turn(lane, TurnEnded(agent=message.agent), now)

    def session_changed(self, message: SessionChanged, now: float) -> None:
        """A session is doing something else."""
        lane = self._dispatch.lane(message.agent, now)
        if lane.state is not message.state or message.detail:
            self._history.note(
                now,
                f"session.{message.state.value}",
                None,
                message.agent,
                detail=message.detail,
                pid=message.pid,
            )
        self._dispatch.session_changed(message.agent, message.state, message.detail, message.pid, now)
        if message.state is SessionState.BLOCKED:
            log_blocked(message.agent, lane.in_hand, message.detail)
            self._agent_blocked(lane, message.detail, now)

    def progressed(self, message: Progressed, now: float) -> None:
        """Deliveries moved forward."""
        lane = self._dispatch.lane(message.agent, now)
        for step in message.steps:
            delivery = self._dispatch.progressed(message.agent, step, now)
            if delivery is None:
                continue
            if step.state is DeliveryState.DEAD:
                self._died(lane, delivery, step.reason, now)
            elif step.state is DeliveryState.STARTED and delivery.kind.assigns:
                self._started(lane, delivery, now)

    def ended(self, message: TurnEnded, now: float) -> None:
        """A session is idle: see how the subtask in hand ended."""
        lane = self._dispatch.lane(message.agent, now)
        if message.cost_usd is not None:
            self._journal.agents.set_cost(message.agent, message.cost_usd)
        self._dispatch.unsettle(lane)
        self._after_turn(lane, message, now)

    # ------------------------------------------------------------ inside

    def _started(self, lane: Lane, delivery: Delivery, now: float) -> None:
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is not None and node.id == delivery.subtask_id:  # else it was withdrawn meanwhile
            self._graph.start(node, now)

    def _died(self, lane: Lane, delivery: Delivery, reason: str | None, now: float) -> None:
        self._history.note(
            now, "delivery.dead", delivery.subtask_id, delivery.agent, id=delivery.id, reason=reason
        )
        log_dead(delivery, reason)
        node = self._dispatch.in_hand(lane)
        if delivery.kind.assigns and delivery.subtask_id == lane.in_hand:
            self._dispatch.let_go(lane)
        elif lane.outstanding or lane.words.head() is not None:
            return  # there is more to come
        if node is not None:
            why = f"its context could not be delivered: {reason}"
            self._workflow.hold(node, Hold.BLOCKED, why, lane.agent, now)

    def _after_turn(self, lane: Lane, turn: TurnEnded, now: float) -> None:
        node = self._dispatch.in_hand(lane)
        if node is None or lane.outstanding or lane.words.head() is not None:
            return  # nothing open, or more to come
        if not self._take_result(node, lane, turn, now):
            self._remind(node, lane, turn, now)

    def _take_result(self, node: Node, lane: Lane, turn: TurnEnded, now: float) -> bool:
        """Whether the subtask's end is known, from its file, Claude's last words, or a refused tool."""
        result = self._read_result(node.id)
        marker = find_marker(turn.text)
        if isinstance(result, ReportCompletion):
            self._reports.completion(result, now)
        elif isinstance(result, ReportBlocked):
            self._reports.blocked(result, now)
        elif marker == "completed":
            completion = Completion(summary=turn.text)
            self._reports.completion(
                ReportCompletion(agent=lane.agent, way="marker", completion=completion, subtask_id=node.id),
                now,
            )
        elif marker == "blocked":
            self._workflow.hold(node, Hold.BLOCKED, turn.text, lane.agent, now)
        elif turn.denied:
            tools = ", ".join(dict.fromkeys(turn.denied))
            reason = f"claude was refused the use of {tools}: it has no permission for it"
            self._workflow.hold(node, Hold.BLOCKED, reason, lane.agent, now)
        else:
            return False
        return self._dispatch.in_hand(lane) is None

    def _remind(self, node: Node, lane: Lane, turn: TurnEnded, now: float) -> None:
        if self._dispatch.count_reminders(lane) < REMINDERS:
            self._dispatch.remind(lane, now, lambda delivery_id: self._context.reminder(delivery_id, node))
            return
        reason = f"the agent ended its turn without saying how it ended, and was reminded {REMINDERS} times"
        if turn.error:
            reason += f"; the last turn failed: {turn.error}"
        self._workflow.hold(node, Hold.UNFINISHED, reason, lane.agent, now)

    def _agent_blocked(self, lane: Lane, reason: str, now: float) -> None:
        node = self._dispatch.in_hand(lane)
        if node is not None:
            self._workflow.hold(node, Hold.BLOCKED, reason, lane.agent, now)
        else:
            self._workflow.agent_blocked(lane.agent, reason, now)
