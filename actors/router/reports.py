"""Handling of reports and requests from agents and people; each is answered after the commit."""

from collections.abc import Callable, Collection, Iterable
from typing import assert_never

from actors.graph.graph import Graph
from actors.graph.node import BY_GRAPH, MANUAL, Hold, Node, Status
from actors.journal.journal import Journal
from actors.lib.ids import new_id
from actors.lib.program import command
from actors.protocol.backend import ConnectNow, InputRejected
from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.protocol.events import NodeCompleted
from actors.protocol.names import CONNECTION
from actors.protocol.reports import (
    AnyReport,
    DescribeSubtask,
    DropDelivery,
    ReportBlocked,
    ReportCompletion,
    RestartSession,
    RetryBackend,
    RetryDelivery,
    RetrySubtask,
    SendMessage,
    ShareKnowledge,
    StartSession,
    SubtaskReport,
)
from actors.router.context import Composed, ContextBuilder
from actors.router.decisions import (
    ContextDue,
    Decision,
    Decisions,
    RestartWanted,
    RetryWanted,
    SessionWanted,
)
from actors.router.lanes import Lanes
from actors.router.publisher import completed_payload
from actors.router.unit_of_work import UnitOfWork

SHORTEST = 8
"""The shortest beginning of an id that stands for it: as long as one is shown. Commands accept shorter ones."""
NOTHING_IN_HAND = "You have no subtask in hand, so there is nothing to report. Wait for the next message."
TAKEN = "This file was taken already."
CLOCK_STEP = 0.1
"""Seconds by which a file's time may lag behind the clock, since file systems count in steps."""
Agents = Callable[[], Collection[str] | None]
"""Returns the agents that have a prompt; None: any name may be an agent's."""


class Reports:
    """The handlers of reports, one method a kind: each answers, and returns the decisions that follow.

    Args:
        journal: Keeps knowledge and dead letters.
        graph: The subtasks.
        lanes: The agents.
        context: Composes messages for agents.
        agents: Returns the agents that there are.

    Attributes:
        knowledge_changed: True if knowledge was added since the feed last looked.
    """

    def __init__(
        self, journal: Journal, graph: Graph, lanes: Lanes, context: ContextBuilder, agents: Agents
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._lanes = lanes
        self._context = context
        self._agents = agents
        self.knowledge_changed = False

    def decide(self, report: AnyReport, work: UnitOfWork) -> Decisions:
        """Handle a report of any kind."""
        match report:
            case ReportCompletion():
                return self.completion(report, work)
            case ReportBlocked():
                return self.blocked(report, work)
            case SendMessage():
                return self._message(report, work)
            case ShareKnowledge():
                return self._knowledge(report, work)
            case DescribeSubtask():
                return self._describe(report, work)
            case StartSession():
                return self._start_session(report, work)
            case RestartSession():
                return self._restart_session(report, work)
            case RetryDelivery():
                return self._retry(report, work)
            case RetrySubtask():
                return self._retry_subtask(report, work)
            case DropDelivery():
                return self._drop(report, work)
            case RetryBackend():
                return self._retry_backend(report, work)
            case _:
                assert_never(report)

    # ------------------------------------------------------------ from agents

    def completion(self, report: ReportCompletion, work: UnitOfWork) -> Decisions:
        """Complete a subtask; if it is completed already, nothing changes."""
        node = self._subject(report)
        if isinstance(node, str):
            return self._refuse(report, node, work)
        if node.status is Status.COMPLETED:
            work.answer(report.reply, f"Subtask {node.id} was completed already; nothing has changed.")
            return ()
        if node.is_closed:
            return self._refuse(report, f"Subtask {node.id} was {node.status.value}; leave it.", work)
        self._take_file(node, report)
        changes = self._complete(node, report, work)
        work.answer(
            report.reply, f"Subtask {node.id} is completed. Its result goes to those who wait for it."
        )
        return changes

    def blocked(self, report: ReportBlocked, work: UnitOfWork) -> Decisions:
        """Hold a subtask whose agent is blocked."""
        node = self._subject(report)
        if isinstance(node, str):
            return self._refuse(report, node, work)
        if node.is_closed:
            return self._refuse(report, f"Subtask {node.id} is {node.status.value} already.", work)
        self._take_file(node, report)
        text = f"Subtask {node.id} is marked as blocked. End your turn; you will be told when it can go on."
        work.answer(report.reply, text)
        reason = report.reason if report.agent else f"a {report.way} says: {report.reason}"
        return self._graph.hold(node, Hold.BLOCKED, reason, by=report.agent)

    def accepts(self, report: SubtaskReport) -> bool:
        """Return whether this agent may report on this subtask now."""
        return not isinstance(self._subject(report), str)

    def _take_file(self, node: Node, report: SubtaskReport) -> None:
        if report.written_at is not None:
            self._graph.take_file(node, report.written_at)

    def _complete(self, node: Node, report: ReportCompletion, work: UnitOfWork) -> Decisions:
        """Record and apply the completion as an event of ours, and publish it under the same key."""
        completion = report.completion
        event = NodeCompleted(
            entity=node.entity,
            id=node.id,
            key=new_id(),
            summary=completion.summary,
            insights=completion.insights,
            files=completion.files,
            by=report.agent or report.way,
        )
        work.record(event, "agent" if report.agent else "person")
        changes = self._graph.apply(event, work.now)
        work.publish(event.kind, completed_payload(event, node), event.key)
        return changes

    def _message(self, report: SendMessage, work: UnitOfWork) -> Decisions:
        if self._is_stranger(report, work) or self._is_excessive(report, work):
            return ()
        work.note("agent.message", agent=report.agent, sender=report.sender, text=report.text)
        warning = self._still_held(report.agent) if report.source == "person" else ""
        work.answer(report.reply, f"The message to {report.agent} is journaled and on its way.{warning}")

        def compose(delivery_id: str) -> Composed:
            return self._context.message(delivery_id, None, report.sender, report.text)

        return (ContextDue(report.agent, DeliveryKind.MESSAGE, None, compose),)

    def _is_excessive(self, report: SendMessage, work: UnitOfWork) -> bool:
        """Return whether an agent's message is one too many; if so, it is answered with an error."""
        receiver = self._lanes.of(report.agent, work).courtesy
        if report.source != "agent":
            receiver.begin_anew()
            return False
        sender = self._lanes.of(report.sender, work).courtesy
        refusal = sender.too_many(work.now) or sender.too_far(work.now)
        if refusal is not None:
            work.answer(report.reply, refusal, ok=False)
            return True
        receiver.heard(sender.spoke(work.now), work.now)
        return False

    def _knowledge(self, report: ShareKnowledge, work: UnitOfWork) -> Decisions:
        courtesy = self._lanes.of(report.agent, work).courtesy
        refusal = courtesy.too_many(work.now)
        if refusal is not None:
            work.answer(report.reply, refusal, ok=False)
            return ()
        courtesy.spoke(work.now)
        self._journal.knowledge.add(report.agent, report.topic, report.text, work.now)
        work.note("knowledge.shared", agent=report.agent, topic=report.topic)
        self.knowledge_changed = True
        work.answer(report.reply, "It is in shared_knowledge.json now, for all agents.")
        return ()

    def _describe(self, report: DescribeSubtask, work: UnitOfWork) -> Decisions:
        """Answer with the subtask that an agent has in hand, and its upstream results."""
        lane = self._lanes.of(report.agent, work)
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is None or node.is_closed:
            work.answer(report.reply, "You have no subtask in hand. Wait for the next message.")
            return ()
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        data = describe(node) | {"upstreams": [result(each) for each in upstreams if each is not None]}
        work.answer(report.reply, f"You have subtask {node.id} in hand.", data=data)
        return ()

    # ------------------------------------------------------------ from people

    def _start_session(self, report: StartSession, work: UnitOfWork) -> Decisions:
        """Start an agent's session, and resume all of its held subtasks."""
        if self._is_stranger(report, work):
            return ()
        held = self._graph.held(report.agent)
        what = f"It goes on with {_names(held)}." if held else "None of its subtasks was held."
        work.answer(report.reply, f"The session of {report.agent} starts. {what}")
        return [SessionWanted(report.agent), *(each for node in held for each in self._graph.resume(node))]

    def _restart_session(self, report: RestartSession, work: UnitOfWork) -> Decisions:
        """Restart an agent's process, and resume all of its held subtasks."""
        if self._is_stranger(report, work):
            return ()
        held = self._graph.held(report.agent)
        where = "a new conversation" if report.new_conversation else "its conversation"
        what = f" It goes on with {_names(held)}." if held else ""
        work.note("agent.restarted", agent=report.agent, new_conversation=report.new_conversation)
        work.answer(report.reply, f"{report.agent} is restarted in {where}.{what}")
        restart = RestartWanted(report.agent, report.new_conversation)
        return [restart, *(each for node in held for each in self._graph.resume(node))]

    def _retry_subtask(self, report: RetrySubtask, work: UnitOfWork) -> Decisions:
        """Resume a held subtask."""
        node = self._find(report.subtask_id)
        if isinstance(node, str) or node.hold not in MANUAL:
            work.answer(report.reply, node if isinstance(node, str) else _why_not(node), ok=False)
            return ()
        agents = node.assignees or ()
        if agents:
            text = f"Subtask {node.id} goes on, with {', '.join(agents)}."
        else:
            text = f"Subtask {node.id} is no longer held, and waits until somebody is assigned."
        work.answer(report.reply, text)
        return [*(SessionWanted(agent) for agent in agents), *self._graph.resume(node)]

    def _retry(self, report: RetryDelivery, work: UnitOfWork) -> Decisions:
        """Queue a dead letter again."""
        delivery = self._find_dead(report, work)
        if delivery is None:
            return ()
        node = self._graph.get(delivery.subtask_id) if delivery.subtask_id else None
        if delivery.kind.assigns and (reason := self._is_outdated(delivery, node)):
            text = f"Delivery {delivery.id} is outdated: {reason}. Drop it."
            work.answer(report.reply, text, ok=False)
            return ()
        work.note("delivery.retried", delivery.subtask_id, delivery.agent, id=delivery.id)
        work.answer(report.reply, f"Delivery {delivery.id} is on its way to {delivery.agent} again.")
        decisions: list[Decision] = [RetryWanted(delivery)]
        if delivery.kind.assigns and node is not None:
            decisions += self._graph.resume(node)
        return decisions

    def _drop(self, report: DropDelivery, work: UnitOfWork) -> Decisions:
        """Drop a dead letter."""
        delivery = self._find_dead(report, work)
        if delivery is not None:
            self._journal.deliveries.drop(delivery.id, work.now)
            work.note("delivery.dropped", delivery.subtask_id, delivery.agent, id=delivery.id)
            work.answer(report.reply, f"Delivery {delivery.id} is dropped.")
        return ()

    @staticmethod
    def _retry_backend(report: RetryBackend, work: UnitOfWork) -> Decisions:
        work.tell(CONNECTION, ConnectNow())
        work.note("backend.retried")
        work.answer(
            report.reply,
            f"If the backend isn't connected, the coordinator tries now; see `{command('status')}`.",
        )
        return ()

    # ------------------------------------------------------------ inside

    def _is_stranger(self, report: SendMessage | StartSession | RestartSession, work: UnitOfWork) -> bool:
        """Return whether this agent is unknown; if so, the report is answered with an error."""
        prompts, lanes = self._agents(), self._lanes.by_agent
        if prompts is None or report.agent in prompts or report.agent in lanes:
            return False
        known = ", ".join(sorted({*prompts, *lanes})) or "none"
        text = f"There is no agent {report.agent}: it has no prompt. The agents are: {known}."
        work.answer(report.reply, text, ok=False)
        return True

    def _still_held(self, agent: str) -> str:
        """Return a sentence that names the held subtasks that a person's message doesn't resume, or an empty text."""
        lane, held = self._lanes.by_agent.get(agent), self._graph.held(agent)
        is_free = lane is None or self._lanes.in_hand(lane) is None
        if not held or (is_free and self._lanes.meant_by(agent, None)):
            return ""
        commands = " or ".join(f"`{command('retry', node.id)}`" for node in held)
        return f" It doesn't resume {_names(held)}; {commands} does."

    def _is_outdated(self, delivery: Delivery, node: Node | None) -> str | None:
        """Return the reason why this assignment must not be delivered any more, or None."""
        if node is None or node.is_closed:
            return f"{delivery.subtask_id} is {node.status.value if node else 'unknown'}"
        if delivery.agent not in (node.assignees or ()):
            return f"{node.id} is no longer assigned to {delivery.agent}"
        if not node.released:
            return f"{node.id} waits for a dependency, and is assigned again after that"
        if node.hold is None and self._lanes.is_given(node.id, delivery.agent):
            return f"{delivery.agent} was given {node.id} again"
        return None

    def _find_dead(self, report: RetryDelivery | DropDelivery, work: UnitOfWork) -> Delivery | None:
        found = self._journal.deliveries.find_dead(report.delivery_id)
        if len(found) == 1:
            return found[0]
        text = f"There is no dead letter {report.delivery_id}."
        if found:
            candidates = " or ".join(each.id for each in found)
            text = f"{report.delivery_id} may mean {candidates}; give the whole id."
        work.answer(report.reply, text, ok=False)
        return None

    def _subject(self, report: SubtaskReport) -> Node | str:
        """Return the subtask that a report is about, or the reason for refusing it.

        This is the one place that decides who may report on what, whichever way the report came: an agent on its own
        subtasks, a file without an agent on any, and both only once the subtask was released.
        """
        agent = report.agent
        node = self._meant(agent) if report.subtask_id is None else self._find(report.subtask_id)
        if isinstance(node, str):
            return node
        if agent is not None and agent not in (node.assignees or ()):
            return f"Subtask {node.id} is not yours, so you can't report on it."
        return node if node.is_closed else _if_released(node, report.written_at)

    def _meant(self, agent: str | None) -> Node | str:
        """Return the subtask that a report without an id is about: the one in hand, unless another may be meant.

        One that the agent has begun, and that is held, may still have work in the background, whose end it reports.
        """
        lane = self._lanes.by_agent.get(agent or "")
        if lane is None or lane.in_hand is None:
            return NOTHING_IN_HAND
        others = [node for node in self._graph.held(lane.agent) if node.started and node.id != lane.in_hand]
        if others:
            return (
                f"You have {lane.in_hand} in hand, and {_names(others)} is not over either, so it isn't clear which one"
                " you mean: name it with subtask_id."
            )
        return self._find(lane.in_hand)

    def _find(self, subtask_id: str) -> Node | str:
        """Return the subtask with this id, or whose id is shown like this, or the reason why there is none."""
        node = self._graph.get(subtask_id)
        if node is None and len(subtask_id) >= SHORTEST:
            found = self._journal.nodes.beginning_with(subtask_id)
            if len(found) > 1:
                return f"{subtask_id} may mean {' or '.join(found)}; give the whole id."
            node = self._graph.get(found[0]) if found else None
        if node is None or node.status is Status.UNKNOWN:
            return f"There is no subtask {subtask_id}."
        return node

    @staticmethod
    def _refuse(report: ReportCompletion | ReportBlocked, text: str, work: UnitOfWork) -> Decisions:
        """Refuse a report; if nobody waits for an answer, keep it as rejected input."""
        work.answer(report.reply, text, ok=False)
        if report.reply is None and text != TAKEN:
            raw = report.model_dump_json(exclude={"reply"}).encode(errors="replace")
            work.reject(InputRejected(origin=report.way, reason=text, raw=raw[:4096], size=len(raw)))
        return ()


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(node.id for node in nodes)


def _if_released(node: Node, written_at: float | None) -> Node | str:
    """Return an open node, or the reason why it can't be reported on yet."""
    if not node.released:
        upstreams = ", ".join(sorted(node.pending)) or "others"
        return f"Subtask {node.id} waits for {upstreams}, so it was given to nobody and can't be reported on."
    if written_at is None:
        return node
    if written_at <= node.times.get("reported", 0.0):
        return TAKEN  # what it said may have been answered since
    if written_at + CLOCK_STEP < node.times.get("released", 0.0):
        return f"The file is from before subtask {node.id} was released. If it holds, write it again."
    return node


def _why_not(node: Node) -> str:
    """Return why a subtask can't be resumed."""
    if node.hold in BY_GRAPH:
        return f"Subtask {node.id} is held by what it depends on ({node.reason}); change that."
    return f"Subtask {node.id} isn't held: it is {node.state}."


def describe(node: Node) -> dict[str, object]:
    """Return a subtask's description, for agents and people."""
    return {
        "id": node.id,
        "task_id": node.parent,
        "title": node.title,
        "details": node.details,
        "state": node.state,
        "assignees": list(node.assignees or ()),
        "dependencies": list(node.upstreams or ()),
    }


def result(node: Node) -> dict[str, object]:
    """Return a subtask's result, for agents and people."""
    return {
        "id": node.id,
        "title": node.title,
        "state": node.state,
        "completed_by": node.by,
        "completion_summary": node.summary,
        "insights_found": list(node.insights),
        "files_modified": list(node.files),
    }
