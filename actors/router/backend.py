"""Handling of messages from the connection: events, the connection's state, answers to publications."""

from typing import assert_never

from actors.graph.graph import Graph
from actors.graph.node import Hold
from actors.journal.journal import Journal
from actors.protocol.backend import (
    BackendChanged,
    BackendOpened,
    EventReceived,
    PublicationConfirmed,
    PublicationRefused,
    PublicationSent,
    Resume,
)
from actors.protocol.deliveries import DeliveryKind
from actors.protocol.events import (
    AgentBlocked,
    AgentMessage,
    Event,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeUpdated,
)
from actors.protocol.names import CONNECTION
from actors.router.context import Composed, ContextBuilder
from actors.router.decisions import ContextDue, Decisions
from actors.router.progress import log_created
from actors.router.publisher import Publisher
from actors.router.unit_of_work import UnitOfWork


class Backend:
    """The router's state of the backend: the cursor, its instance, and the state of the connection.

    Args:
        journal: Keeps the cursor and the instance.
        graph: Applies the events.
        publisher: Sends our own events.
        context: Composes messages for agents.
    """

    def __init__(self, journal: Journal, graph: Graph, publisher: Publisher, context: ContextBuilder) -> None:
        self._journal = journal
        self._graph = graph
        self._publisher = publisher
        self._context = context
        self._state = ""
        self._cursor = self._saved_cursor = int(journal.get("cursor") or 0)

    def event(self, message: EventReceived, work: UnitOfWork) -> Decisions:
        """Record an event and apply it; a known one changes nothing."""
        event = self._as_known(message.event)
        if message.source == "backend" and event.seq is not None:
            self._cursor = max(self._cursor, event.seq)
        is_known = not work.record(event, message.source) or self._is_echo(event)
        if event.key is not None and is_known:
            self._publisher.resolve(event.key, "published")
        changes = () if is_known else self._apply(event, work)
        if isinstance(event, NodeCompleted):
            self._graph.confirm(event.id, event.seq)
        return changes

    def _is_echo(self, event: Event) -> bool:
        """Return whether this is the echo of news of ours that must not count as the backend's word.

        It may come long after what it tells of, and after the backend has confirmed what came later: so it opens
        nothing again, and blocks nothing. (That work goes on counts all the same: the backend's word that the subtask
        is blocked, which followed from ours, may have come just before.) A completion of ours is known by itself, since
        it is recorded when it is made.
        """
        if event.key is None:
            return False
        if isinstance(event, NodeUpdated):
            node = self._graph.get(event.id)
            return node is not None and node.is_closed and self._journal.outbox.has(event.key)
        return isinstance(event, AgentBlocked) and self._journal.outbox.has(event.key)

    def _apply(self, event: Event, work: UnitOfWork) -> Decisions:
        match event:
            case NodeCreated() | NodeUpdated() | NodeCompleted() | NodeDeleted():
                changes = self._graph.apply(event, work.now)
                node = self._graph.get(event.id) if isinstance(event, NodeCreated) else None
                if node is not None and node.times.get("created") == work.now:
                    log_created(node)
                return changes
            case AgentMessage():
                return self._message(event)
            case AgentBlocked():
                return self._blocked(event)
            case _:
                assert_never(event)

    def opened(self, message: BackendOpened, work: UnitOfWork) -> None:
        """Subscribe from the cursor, and send the publications that the backend may not have."""
        if message.instance is not None and message.instance != self._journal.get("instance"):
            self._journal.put("instance", message.instance)
            self._cursor = 0
        since = self._cursor if message.instance is not None or self._cursor else None
        work.tell(CONNECTION, Resume(since=since, connection=message.connection))
        self._publisher.opened()

    def changed(self, message: BackendChanged, work: UnitOfWork) -> None:
        """Keep the connection's state for people; repeated failures are noted once."""
        self._journal.put("backend", f"{message.state} {message.detail}".strip())
        if message.state != "open":
            self._publisher.closed()
        if message.state == "connecting" or (message.state == self._state and message.state != "open"):
            return  # another failed attempt: seen in ``status``, but no event
        if (message.state, message.detail, self._state) == ("closed", "", ""):
            return  # no attempt was made yet
        self._state = message.state
        work.note(f"backend.{message.state}", detail=message.detail)

    def answered(
        self, message: PublicationSent | PublicationConfirmed | PublicationRefused, work: UnitOfWork
    ) -> None:
        """Record the answer to a publication; a refusal is noted for people."""
        match message:
            case PublicationSent(key=key):
                self._publisher.resolve(key, "sent")
            case PublicationConfirmed(key=key):
                self._publisher.resolve(key, "published")
                if (completed := self._journal.outbox.completed(key)) is not None:
                    self._graph.confirm(completed)
            case PublicationRefused(key=key, reason=reason):
                self._publisher.resolve(key, "refused", reason)
                work.note("publication.refused", key=key, reason=reason)
            case _:
                assert_never(message)

    def resend_publications(self) -> None:
        """Send all publications that wait, oldest first."""
        self._publisher.opened()

    def save_cursor(self) -> None:
        """Make the cursor part of the transaction, together with the events up to it."""
        if self._saved_cursor != self._cursor:
            self._journal.put("cursor", str(self._cursor))
            self._saved_cursor = self._cursor

    def _as_known(self, event: Event) -> Event:
        """Return the event with the id under which its node is known, so that nobody else meets its other spellings."""
        if event.subject is None or (known := self._graph.known_id(event.subject)) == event.subject:
            return event
        field = "subtask_id" if isinstance(event, AgentMessage | AgentBlocked) else "id"
        return event.model_copy(update={field: known})

    def _message(self, event: AgentMessage) -> Decisions:
        def compose(delivery_id: str) -> Composed:
            return self._context.message(delivery_id, event.subtask_id, event.sender, event.text)

        return (ContextDue(event.agent, DeliveryKind.MESSAGE, event.subtask_id, compose),)

    def _blocked(self, event: AgentBlocked) -> Decisions:
        node = self._graph.get(event.subtask_id) if event.subtask_id else None
        if node is None:
            return ()
        reason = event.reason or "the backend says that it is blocked"
        return self._graph.hold(node, Hold.BLOCKED, reason, by=event.agent, backend_knows=True)
