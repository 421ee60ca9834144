"""What agents and people report and ask; the answer goes out after the commit."""

from collections.abc import Callable, Collection, Iterable

from actors.graph.graph import Graph
from actors.graph.node import BY_GRAPH, FOR_A_PERSON, Hold, Node, Status
from actors.journal.history import History
from actors.journal.journal import Journal
from actors.protocol.backend import ConnectNow, InputRejected
from actors.protocol.deliveries import Delivery
from actors.protocol.names import CONNECTION
from actors.protocol.reports import (
    Completion,
    DescribeSubtask,
    DropDelivery,
    Report,
    ReportBlocked,
    ReportCompletion,
    RetryBackend,
    RetryDelivery,
    RetrySubtask,
    SendMessage,
    ShareKnowledge,
    StartSession,
)
from actors.router.dispatch import Dispatch
from actors.router.outgoing import Outgoing
from actors.router.workflow import Workflow

NOTHING_IN_HAND = "You have no subtask in hand, so there is nothing to report. Wait for the next message."


class Reports:
    """One method a kind of report."""

    def __init__(
        self,
        journal: Journal,
        graph: Graph,
        dispatch: Dispatch,
        workflow: Workflow,
        history: History,
        outgoing: Outgoing,
        agents: Callable[[], Collection[str] | None],
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._dispatch = dispatch
        self._workflow = workflow
        self._history = history
        self._outgoing = outgoing
        self._agents = agents
        self.knowledge_changed = False

    def completion(self, report: ReportCompletion, now: float) -> None:
        """A subtask is done."""
        node = self._subject(report.agent, report.subtask_id)
        if isinstance(node, str):
            self._refuse(report, node, now)
            return
        if node.status is Status.COMPLETED:
            self._accept(report, f"Subtask {node.id} was completed already; nothing has changed.")
            return
        if node.is_closed:
            self._refuse(report, f"Subtask {node.id} was {node.status.value}; leave it.", now)
            return
        self._complete(node, report.completion, report.agent, now)
        self._accept(report, f"Subtask {node.id} is completed. Its result goes to those who wait for it.")

    def _complete(self, node: Node, completion: Completion, agent: str | None, now: float) -> None:
        by = agent or (node.assignees[0] if node.assignees and len(node.assignees) == 1 else None)
        self._workflow.complete(node, completion, by, "agent", now)

    def blocked(self, report: ReportBlocked, now: float) -> None:
        """An agent cannot go on."""
        node = self._subject(report.agent, report.subtask_id)
        if isinstance(node, str):
            self._refuse(report, node, now)
            return
        if node.is_closed:
            self._refuse(report, f"Subtask {node.id} is {node.status.value} already.", now)
            return
        self._workflow.hold(node, Hold.BLOCKED, report.reason, report.agent, now)
        self._accept(
            report, f"Subtask {node.id} is shown as blocked. End your turn; you will hear when it can go on."
        )

    def message(self, report: SendMessage, now: float) -> None:
        """Words for an agent."""
        if self._is_stranger(report):
            return
        self._history.note(now, "agent.message", None, report.agent, sender=report.sender, text=report.text)
        self._workflow.message(report.agent, None, report.sender, report.text, now)
        text = f"The message to {report.agent} is journaled and on its way."
        self._accept(
            report, text + (self._still_held(report.agent, now) if report.source == "person" else "")
        )

    def knowledge(self, report: ShareKnowledge, now: float) -> None:
        """Something that all agents should know."""
        self._journal.knowledge.add(report.agent, report.topic, report.text, now)
        self._history.note(now, "knowledge.shared", None, report.agent, topic=report.topic)
        self.knowledge_changed = True
        self._accept(report, "It is in shared_knowledge.json now, for all agents.")

    def describe(self, report: DescribeSubtask, now: float) -> None:
        """What an agent has in hand, with the upstream results."""
        lane = self._dispatch.lane(report.agent, now)
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is None or node.is_closed:
            self._accept(report, "You have no subtask in hand. Wait for the next message.")
            return
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        data = describe(node) | {"upstreams": [result(each) for each in upstreams if each is not None]}
        self._outgoing.answer(report.reply, ok=True, text=f"You have subtask {node.id} in hand.", data=data)

    def start_session(self, report: StartSession, now: float) -> None:
        """Start an agent's session, and have all that it holds go on."""
        if self._is_stranger(report):
            return
        held = self._graph.held(report.agent)
        self._dispatch.start_session(report.agent, now)
        for node in held:
            self._workflow.resume(node, now)
        what = f"It goes on with {_names(held)}." if held else "None of its subtasks was held."
        self._accept(report, f"The session of {report.agent} is started. {what}")

    def retry_subtask(self, report: RetrySubtask, now: float) -> None:
        """Have a subtask that is held go on."""
        node = self._graph.get(report.subtask_id)
        if node is None or node.hold not in FOR_A_PERSON:
            self._outgoing.answer(report.reply, ok=False, text=_why_not(report.subtask_id, node))
            return
        agents = node.assignees or ()
        for agent in agents:
            self._dispatch.start_session(agent, now)
        self._workflow.resume(node, now)
        text = f"Subtask {node.id} goes on, with {', '.join(agents)}." if agents else (
            f"Subtask {node.id} is no longer held, and waits until somebody is assigned."
        )  # fmt: skip
        self._accept(report, text)

    def retry(self, report: RetryDelivery, now: float) -> None:
        """Try a dead letter once more."""
        delivery = self._find_dead(report)
        if delivery is None:
            return
        node = self._graph.get(delivery.subtask_id) if delivery.subtask_id else None
        if delivery.kind.assigns and (reason := self._is_outdated(delivery, node)):
            text = f"Delivery {delivery.id} is of no use any more: {reason}. Drop it."
            self._outgoing.answer(report.reply, ok=False, text=text)
            return
        self._dispatch.retry(delivery, now)
        if delivery.kind.assigns and node is not None:
            self._workflow.resume(node, now)
        self._history.note(now, "delivery.retried", delivery.subtask_id, delivery.agent, id=delivery.id)
        self._accept(report, f"Delivery {delivery.id} is on its way to {delivery.agent} again.")

    def drop(self, report: DropDelivery, now: float) -> None:
        """Forget a dead letter."""
        delivery = self._find_dead(report)
        if delivery is not None:
            self._journal.deliveries.drop(delivery.id, now)
            self._history.note(now, "delivery.dropped", delivery.subtask_id, delivery.agent, id=delivery.id)
            self._accept(report, f"Delivery {delivery.id} is dropped.")

    def retry_backend(self, report: RetryBackend, now: float) -> None:
        """Try at once to connect to the backend."""
        self._outgoing.tell(CONNECTION, ConnectNow())
        self._history.note(now, "backend.retried", None, None)
        self._accept(report, "If there is no connection to the backend, it is tried now; see `status`.")

    # ------------------------------------------------------------ inside

    def _is_stranger(self, report: SendMessage | StartSession) -> bool:
        """Whether nobody knows this agent; that is answered."""
        prompts = self._agents()
        if prompts is None or report.agent in prompts or report.agent in self._dispatch.lanes:
            return False
        known = ", ".join(sorted({*prompts, *self._dispatch.lanes})) or "none"
        text = f"There is no agent {report.agent}: it has no prompt. The agents are: {known}."
        self._outgoing.answer(report.reply, ok=False, text=text)
        return True

    def _still_held(self, agent: str, now: float) -> str:
        """What the agent's words from a person don't take care of."""
        lane, held = self._dispatch.lane(agent, now), self._graph.held(agent)
        if not held or (self._dispatch.in_hand(lane) is None and self._dispatch.held_alone(lane)):
            return ""
        return f" It doesn't have {_names(held)} go on; `retry SUBTASK` does."

    def _is_outdated(self, delivery: Delivery, node: Node | None) -> str | None:
        """Why this assignment isn't to be delivered any more."""
        if node is None or node.is_closed:
            return f"{delivery.subtask_id} is {node.status.value if node else 'unknown'}"
        if delivery.agent not in (node.assignees or ()):
            return f"{node.id} isn't {delivery.agent}'s any more"
        if not node.released:
            return f"{node.id} waits for something else first, and is given anew then"
        if node.hold is None and self._dispatch.is_given(node.id, delivery.agent):
            return f"{delivery.agent} was given {node.id} again"
        return None

    def _find_dead(self, report: RetryDelivery | DropDelivery) -> Delivery | None:
        delivery = self._journal.deliveries.find_dead(report.delivery_id)
        if delivery is None:
            text = f"There is no dead letter {report.delivery_id}."
            self._outgoing.answer(report.reply, ok=False, text=text)
        return delivery

    def _subject(self, agent: str | None, subtask_id: str | None) -> Node | str:
        """The subtask that a report is about, or why it can't be that."""
        if subtask_id is None:
            lane = self._dispatch.lanes.get(agent or "")
            subtask_id = lane.in_hand if lane else None
            if subtask_id is None:
                return NOTHING_IN_HAND
        node = self._graph.get(subtask_id)
        if node is None or node.status is Status.UNKNOWN:
            return f"There is no subtask {subtask_id}."
        if agent is not None and agent not in (node.assignees or ()):
            return f"Subtask {subtask_id} is not yours, so you can't report on it."
        return node

    def _accept(self, report: Report, text: str) -> None:
        self._outgoing.answer(report.reply, ok=True, text=text)

    def _refuse(self, report: ReportCompletion | ReportBlocked, text: str, now: float) -> None:
        self._outgoing.answer(report.reply, ok=False, text=text)
        if report.reply is None:
            raw = report.model_dump_json(exclude={"reply"}).encode(errors="replace")
            self._history.reject(
                InputRejected(origin=report.way, reason=text, raw=raw[:4096], size=len(raw)), now
            )


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(node.id for node in nodes)


def _why_not(subtask_id: str, node: Node | None) -> str:
    """Why there is nothing that a person could have go on."""
    if node is None or node.status is Status.UNKNOWN:
        return f"There is no subtask {subtask_id}."
    if node.hold in BY_GRAPH:
        return f"Subtask {node.id} is held by what it depends on ({node.reason}); change that."
    return f"Subtask {node.id} isn't held: it is {node.state}."


def describe(node: Node) -> dict[str, object]:
    """A subtask, as an agent or a person reads it."""
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
    """What came of a subtask."""
    return {
        "id": node.id,
        "title": node.title,
        "state": node.state,
        "completed_by": node.by,
        "completion_summary": node.summary,
        "insights_found": list(node.insights),
        "files_modified": list(node.files),
    }
