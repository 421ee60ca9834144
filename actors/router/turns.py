"""Handling of messages from sessions: steps of deliveries, session states, ends of turns."""

from collections.abc import Callable
from dataclasses import replace

from actors.agents.refusals import describe_refusals
from actors.graph.changes import Held
from actors.graph.graph import Graph
from actors.graph.node import Hold, Node
from actors.journal.journal import Journal
from actors.protocol.deliveries import FINAL, Delivery, DeliveryState
from actors.protocol.reports import Completion, ReportBlocked, ReportCompletion
from actors.protocol.sessions import (
    ConversationBegan,
    ProgramSeen,
    Progressed,
    SessionChanged,
    SessionState,
    TurnEnded,
)
from actors.router.alerts import log_blocked, log_dead, log_renewed, log_version
from actors.router.decisions import (
    Decision,
    Decisions,
    HandEmptied,
    HistoryGone,
    LanesChanged,
    ReminderDue,
    RestartWanted,
)
from actors.router.lane import Lane
from actors.router.lanes import Lanes
from actors.router.markers import find_marker
from actors.router.publisher import blocked_payload
from actors.router.reports import Reports
from actors.router.under_way import tell_under_way
from actors.router.unit_of_work import UnitOfWork

DEAD, STARTED = DeliveryState.DEAD, DeliveryState.STARTED  # looked up for each step: an enum's lookup is slow
PROGRAM = "claude_version"
"""The journal's name for the version of claude that agents run."""
REMINDERS = 2
"""The number of reminders after which a subtask becomes unfinished."""

ReadResult = Callable[[str, str], ReportCompletion | ReportBlocked | None]
"""Reads the result file that an agent, or else a person, wrote for a subtask; None if there is no complete one."""


class Turns:
    """The handlers of sessions' messages, one method a kind; each returns the decisions that follow.

    At the end of a turn the first of these counts for the subtask in hand: its result file, a marker in Claude's last
    message, a tool that was refused. Without any, the agent is reminded ``REMINDERS`` times, then the subtask becomes
    unfinished.

    Args:
        journal: Keeps states and costs.
        graph: The subtasks.
        lanes: The agents.
        reports: Handles the report that a turn's end amounts to.
        read_result: Reads a subtask's result file.
    """

    def __init__(
        self, journal: Journal, graph: Graph, lanes: Lanes, reports: Reports, read_result: ReadResult
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._lanes = lanes
        self._reports = reports
        self._read_result = read_result

    def changed(self, message: SessionChanged, work: UnitOfWork) -> Decisions:
        """Record a session's state; a blocked session holds the subtask in hand."""
        lane = self._lanes.of(message.agent, work)
        if lane.state is not message.state or message.detail:
            work.note(
                f"session.{message.state.value}", agent=message.agent, detail=message.detail, pid=message.pid
            )
        lane.is_at_rest, lane.in_background = False, message.in_background
        self._lanes.set_state(lane, message.state, message.detail, work, message.pid)
        decisions: list[Decision] = [LanesChanged((message.agent,))]
        if message.is_spoiled and self._may_renew(lane):
            log_renewed(lane.agent, lane.in_hand, message.detail)
            work.note("conversation.renewed", lane.in_hand, lane.agent, reason=message.detail)
            decisions.append(RestartWanted(lane.agent, new_conversation=True))
        elif message.state is SessionState.BLOCKED:
            log_blocked(message.agent, lane.in_hand, message.detail, is_spoiled=message.is_spoiled)
            decisions += self._blocked(lane, message.detail, work)
        return decisions

    def conversation_began(self, message: ConversationBegan, work: UnitOfWork) -> Decisions:
        """Give the subtask in hand again where the conversation in which it was given is gone."""
        lane = self._lanes.of(message.agent, work)
        return (HistoryGone(lane.agent),) if message.session_id == lane.session_id else ()

    def program_seen(self, message: ProgramSeen, work: UnitOfWork) -> None:
        """Record claude's version, and warn where it isn't the one that was tested; once for each version."""
        if self._journal.get(PROGRAM) == message.version:
            return
        self._journal.put(PROGRAM, message.version)
        work.note("claude.version", agent=message.agent, version=message.version)
        log_version(message.version)

    def progressed(self, message: Progressed, work: UnitOfWork) -> Decisions:
        """Record steps of deliveries; a dead one holds its subtask."""
        lane = self._lanes.of(message.agent, work)
        decisions: list[Decision] = []
        was_full = not lane.has_capacity_for_documents
        for step in message.steps:
            delivery = self._lanes.advance(lane, step, work)
            if delivery is None:
                continue
            if step.state in FINAL:
                decisions.append(LanesChanged((lane.agent,)))
            if step.state is DEAD:
                decisions += self._died(lane, delivery, step.reason, work)
            elif step.state is STARTED:
                decisions += self._started(lane, delivery, work)
        if was_full and lane.has_capacity_for_documents:
            decisions.append(LanesChanged((lane.agent,)))
        return decisions

    def ended(self, turn: TurnEnded, work: UnitOfWork) -> Decisions:
        """Record the cost of a turn, and find out how the subtask in hand ended."""
        lane = self._lanes.of(turn.agent, work)
        if turn.cost_usd is not None:
            self._journal.agents.set_cost(turn.agent, turn.cost_usd)
        return [LanesChanged((turn.agent,)), *self.idle(lane, turn, work)]

    def idle(self, lane: Lane, turn: TurnEnded, work: UnitOfWork) -> Decisions:
        """Find the report of an idle agent's subtask in hand, or remind it, unless it has more deliveries to read."""
        node = self._lanes.in_hand(lane)
        if node is None or lane.outstanding or lane.words.head() is not None:
            return ()
        result = self._find_result(node, lane, turn)
        decisions: list[Decision] = []
        if isinstance(result, ReportCompletion):
            decisions += self._reports.completion(result, work)
        elif isinstance(result, ReportBlocked):
            decisions += self._reports.blocked(result, work)
        if self._lanes.in_hand(lane) is not None:  # nothing was reported, or it was refused
            decisions += self._remind(node, lane, turn)
        return decisions

    # ------------------------------------------------------------ inside

    def _may_renew(self, lane: Lane) -> bool:
        """Return whether a new conversation may be begun without a person: once for the subtask in hand."""
        node = self._lanes.in_hand(lane)
        return node is not None and lane.began_at <= self._lanes.first_given(lane, node.id)

    def _started(self, lane: Lane, delivery: Delivery, work: UnitOfWork) -> Decisions:
        """Note that Claude has read a delivery: the work has begun, or there is room for more words."""
        node = self._graph.get(lane.in_hand) if lane.in_hand and delivery.kind.assigns else None
        if node is not None and node.id == delivery.subtask_id:  # else it was withdrawn meanwhile
            if not node.started:
                tell_under_way(node, work)
            self._graph.start(node, work.now)
        return () if lane.words.head() is None else (LanesChanged((lane.agent,)),)

    def _died(self, lane: Lane, delivery: Delivery, reason: str | None, work: UnitOfWork) -> Decisions:
        work.note("delivery.dead", delivery.subtask_id, delivery.agent, id=delivery.id, reason=reason)
        log_dead(delivery, reason)
        node = self._lanes.in_hand(lane)
        decisions: list[Decision] = []
        if delivery.kind.assigns and delivery.subtask_id == lane.in_hand:
            decisions.append(HandEmptied(lane.agent))
        elif lane.outstanding or lane.words.head() is not None:
            return ()  # there is more to come
        if node is not None:
            why = f"its context could not be delivered: {reason}"
            decisions += self._hold(node, why, lane)
        return decisions

    def _hold(self, node: Node, reason: str, lane: Lane) -> Decisions:
        """Hold a subtask for what is in the log already."""
        held = self._graph.hold(node, Hold.BLOCKED, reason, by=lane.agent)
        return [replace(each, is_logged=True) if isinstance(each, Held) else each for each in held]

    def _find_result(
        self, node: Node, lane: Lane, turn: TurnEnded
    ) -> ReportCompletion | ReportBlocked | None:
        """Return the report that a turn's end amounts to: a result file, a marker, or a refused tool."""
        result = self._read_result(lane.agent, node.id)
        if result is not None and self._reports.accepts(result):
            return result
        stated = find_marker(turn.text)
        if stated is not None and stated.reason is None:
            completion = Completion(summary=stated.summary, insights=stated.insights, files=stated.files)
            return ReportCompletion(agent=lane.agent, way="marker", completion=completion, subtask_id=node.id)
        if stated is not None:
            return ReportBlocked(
                agent=lane.agent, way="marker", reason=str(stated.reason), subtask_id=node.id
            )
        if turn.denied:
            reason = describe_refusals(lane.agent, turn.denied)
            return ReportBlocked(agent=lane.agent, way="marker", reason=reason, subtask_id=node.id)
        return None

    def _remind(self, node: Node, lane: Lane, turn: TurnEnded) -> Decisions:
        if self._lanes.count_reminders(lane) < REMINDERS:
            return (ReminderDue(lane.agent, node),)
        reason = f"the agent ended its turn without saying how it ended, and was reminded {REMINDERS} times"
        if turn.error:
            reason += f"; the last turn failed: {turn.error}"
        return self._graph.hold(node, Hold.UNFINISHED, reason, by=lane.agent)

    def _blocked(self, lane: Lane, reason: str, work: UnitOfWork) -> Decisions:
        node = self._lanes.in_hand(lane)
        if node is not None:
            return self._hold(node, reason, lane)
        work.note("agent.blocked", agent=lane.agent, reason=reason)
        work.publish("agent.blocked", blocked_payload(lane.agent, None, reason))
        return ()
