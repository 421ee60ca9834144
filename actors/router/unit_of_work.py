"""The unit of work: all effects of handling one message.

What must hold: everything that a message leads to (the event, changes of the graph, deliveries, notes, publications) is
part of the open transaction, and nobody is told of it before that is committed. So nothing here has effects outside:
records go to the journal, and messages and answers wait in ``Outgoing``. A unit of work isn't rolled back alone: on
failure the whole transaction is, and all its messages are handled again.
"""

from typing import Any

from actors.journal.history import EventHistory
from actors.lib.ids import new_id
from actors.protocol.backend import InputRejected
from actors.protocol.events import Event
from actors.protocol.names import SessionAddress, Source
from actors.protocol.reports import Reply
from actors.protocol.router import ToConnection, ToSession
from actors.router.alerts import log_rejected_file
from actors.router.outgoing import Outgoing
from actors.router.publisher import Publisher


class UnitOfWork:
    """The effects of one message.

    Args:
        now: The time, in seconds since the epoch, the same for everything that the message leads to.
        history: Takes events and notes.
        publisher: Takes publications.
        outgoing: Takes messages and answers, until the commit.

    Example:
        >>> work.note("delivery.dropped", subject="B", agent="coder", id=delivery_id)
        >>> work.tell_session(lane.session, Deliver(delivery=delivery))
    """

    __slots__ = ("_history", "_outgoing", "_publisher", "now")

    def __init__(self, now: float, history: EventHistory, publisher: Publisher, outgoing: Outgoing) -> None:
        self.now = now
        self._history = history
        self._publisher = publisher
        self._outgoing = outgoing

    # ------------------------------------------------------------ into the journal

    def record(self, event: Event, source: Source) -> bool:
        """Append an event to the history; return False if its key is known already."""
        return self._history.record(
            at=self.now,
            source=source,
            kind=event.kind,
            subject=event.subject,
            agent=getattr(event, "agent", None),
            key=event.key,
            document=event.model_dump_json(exclude_none=True).encode(errors="replace"),
        )

    def note(self, kind: str, subject: str | None = None, agent: str | None = None, **values: Any) -> None:  # noqa: ANN401 - JSON values
        """Append an event of the coordinator itself to the history."""
        self._history.note(self.now, kind, subject, agent, **values)

    def reject(self, rejected: InputRejected) -> None:
        """Keep input that can't be used, with a note."""
        if self._history.reject(rejected, self.now) and rejected.origin == "file":
            log_rejected_file(rejected)

    def publish(self, event_type: str, payload: dict[str, Any], key: str | None = None) -> None:
        """Put an event of ours into the outbox, under this key or a new one."""
        self._publisher.add(key or new_id(), event_type, payload)

    # ------------------------------------------------------------ after the commit

    def tell(self, name: str, message: ToConnection) -> None:
        """Send a message to the actor of this name, after the commit."""
        self._outgoing.tell(name, message)

    def ensure(self, session: SessionAddress) -> None:
        """Start the session, unless it runs, after the commit."""
        self._outgoing.ensure(session)

    def tell_session(self, session: SessionAddress, message: ToSession) -> None:
        """Send a message to a session, after the commit."""
        self._outgoing.tell_session(session, message)

    def answer(
        self, reply: Reply | None, text: str, *, ok: bool = True, data: dict[str, Any] | None = None
    ) -> None:
        """Answer a report, after the commit."""
        self._outgoing.answer(reply, ok=ok, text=text, data=data)
