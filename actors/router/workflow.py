"""What follows from what happened: events into the graph, its changes into deliveries."""

from collections.abc import Iterable
from uuid import uuid4

from actors.graph.changes import Amended, Change, Closed, Held, Released, Resumed, UpstreamDone, Withdrawn
from actors.graph.graph import Graph
from actors.graph.node import BY_GRAPH, Hold, Node, Status
from actors.journal.history import History
from actors.protocol.deliveries import DeliveryKind
from actors.protocol.events import AgentBlocked, AgentMessage, Event, NodeCompleted
from actors.protocol.names import Source
from actors.protocol.reports import Completion
from actors.router.alerts import log_held
from actors.router.context import ContextBuilder
from actors.router.dispatch import Dispatch
from actors.router.publisher import Publisher


class Workflow:
    """Takes in events and reports, and queues what agents are to be told."""

    def __init__(
        self,
        graph: Graph,
        dispatch: Dispatch,
        context: ContextBuilder,
        history: History,
        publisher: Publisher,
    ) -> None:
        self._graph = graph
        self._dispatch = dispatch
        self._context = context
        self._history = history
        self._publisher = publisher

    def take(self, event: Event, source: Source, now: float) -> bool:
        """Apply an event; False if it is known already."""
        news = self._history.record(
            at=now,
            source=source,
            kind=event.kind,
            subject=event.subject,
            agent=getattr(event, "agent", None),
            key=event.key,
            document=event.model_dump_json(exclude_none=True).encode(errors="replace"),
        )
        if not news:
            return False
        match event:
            case AgentMessage():
                self.message(event.agent, event.subtask_id, event.sender, event.text, now)
            case AgentBlocked():
                self._blocked_by_backend(event, now)
            case _:
                by = event.by if isinstance(event, NodeCompleted) else None
                self._carry_out(self._graph.apply(event, now), now, by=by, publish=source != "backend")
        return True

    def complete(
        self, node: Node, completion: Completion, by: str | None, source: Source, now: float
    ) -> None:
        """A subtask is done, says somebody here: apply it, and let the backend know."""
        event = NodeCompleted(
            entity=node.entity,
            id=node.id,
            key=str(uuid4()),
            summary=completion.summary,
            insights=completion.insights,
            files=completion.files,
            by=by,
        )
        self.take(event, source, now)
        self.publish(event)

    def publish(self, event: NodeCompleted) -> None:
        """Let the backend know what was completed here, under the event's key."""
        node = self._graph.get(event.id)
        payload = {
            "id": event.id,
            "task_id": node.parent if node else None,
            "title": node.title if node else None,
            "completion_summary": event.summary,
            "insights_found": list(event.insights),
            "files_modified": list(event.files),
            "completed_by": event.by,
        }
        self._publisher.add(str(event.key), event.kind, payload)

    def hold(self, node: Node, hold: Hold, reason: str, agent: str | None, now: float) -> None:
        """A subtask can't go on, says somebody here: show it, and let the backend know."""
        self._carry_out(self._graph.hold(node, hold, reason), now, by=agent)

    def resume(self, node: Node, now: float) -> None:
        """Somebody here took care of what held a subtask."""
        self._carry_out(self._graph.resume(node), now)

    def agent_blocked(self, agent: str, reason: str, now: float) -> None:
        """An agent can't go on, and has nothing in hand yet: show it, and let the backend know."""
        self._history.note(now, "agent.blocked", None, agent, reason=reason)
        payload = {"agent": agent, "subtask_id": None, "reason": reason}
        self._publisher.add(str(uuid4()), "agent.blocked", payload)

    def message(self, agent: str, subtask_id: str | None, sender: str | None, text: str, now: float) -> None:
        """Somebody's words for an agent."""
        self._dispatch.add(
            agent,
            DeliveryKind.MESSAGE,
            subtask_id,
            now,
            lambda delivery_id: self._context.message(delivery_id, subtask_id, sender, text),
        )

    # ------------------------------------------------------------ from changes to deliveries

    def _carry_out(
        self, changes: Iterable[Change], now: float, *, by: str | None = None, publish: bool = True
    ) -> None:
        for change in changes:
            match change:
                case Released(node, agents):
                    for agent in agents:
                        self._dispatch.assign(agent, node, now)
                case Withdrawn(node, agents, reason):
                    self._take_away(node, agents, reason, now)
                case Amended(node, fields):
                    self._amend(node, fields, now)
                case UpstreamDone(node, upstream):
                    self._tell_upstream(node, upstream, now)
                case Closed(node):
                    self._let_go(node, by, now)
                case Resumed(node):
                    self._history.note(now, f"{node.entity}.resumed", node.id, None)
                    self._dispatch.go_on(node, now)
                case Held(node) if node.hold is not None:  # it may have been let go of meanwhile
                    self._show_held(node, by, now, publish=publish)

    def _let_go(self, node: Node, by: str | None, now: float) -> None:
        """It is over, and whoever did it knows."""
        others = tuple(agent for agent in node.assignees or () if agent != by)
        self._take_away(node, others, _how_closed(node), now)
        if by in (node.assignees or ()):
            self._dispatch.withdraw(node.id, str(by), _how_closed(node), now)

    def _take_away(self, node: Node, agents: Iterable[str], reason: str, now: float) -> None:
        for agent in agents:
            if self._dispatch.withdraw(node.id, agent, reason, now):
                self._dispatch.add(
                    agent,
                    DeliveryKind.SUBTASK_CLOSED,
                    node.id,
                    now,
                    lambda delivery_id: self._context.closed(delivery_id, node, reason),
                )

    def _amend(self, node: Node, fields: tuple[str, ...], now: float) -> None:
        for agent in self._who_has_it(node):
            self._dispatch.add(
                agent,
                DeliveryKind.SUBTASK_UPDATED,
                node.id,
                now,
                lambda delivery_id: self._context.update(delivery_id, node, fields),
            )

    def _tell_upstream(self, node: Node, upstream: Node, now: float) -> None:
        for agent in self._who_has_it(node):
            self._dispatch.add(
                agent,
                DeliveryKind.UPSTREAM_COMPLETED,
                node.id,
                now,
                lambda delivery_id: self._context.upstream(delivery_id, node, upstream),
            )

    def _who_has_it(self, node: Node) -> list[str]:
        """The assignees that were given it: the others will get it as it is when they are."""
        return [
            agent
            for agent in node.assignees or ()
            if not self._dispatch.has_waiting_assignment(node.id, agent)
        ]

    def _show_held(self, node: Node, by: str | None, now: float, *, publish: bool) -> None:
        agent = by or next(iter(node.assignees or ()), None)
        self._history.note(now, f"{node.entity}.blocked", node.id, agent, reason=node.reason, hold=node.hold)
        log_held(node, agent)
        known_there = not publish and node.hold not in BY_GRAPH
        if agent is not None and not known_there:
            payload = {"agent": agent, "subtask_id": node.id, "reason": node.reason}
            self._publisher.add(str(uuid4()), "agent.blocked", payload)

    def _blocked_by_backend(self, event: AgentBlocked, now: float) -> None:
        node = self._graph.get(event.subtask_id) if event.subtask_id else None
        if node is not None:
            changes = self._graph.hold(
                node, Hold.BLOCKED, event.reason or "the backend says that it is blocked"
            )
            self._carry_out(changes, now, by=event.agent, publish=False)


def _how_closed(node: Node) -> str:
    if node.status is Status.COMPLETED:
        return f"it was completed by {node.by}" if node.by else "it was completed elsewhere"
    return f"it was {node.status.value}"
