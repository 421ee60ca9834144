"""Between the connection and the router: what the backend says, and what is published to it."""

from typing import Any, Literal

from actors.protocol.base import Model
from actors.protocol.events import Event
from actors.protocol.names import Source


class EventReceived(Model):
    """A fact came in."""

    event: Event
    source: Source = "backend"


class InputRejected(Model):
    """Something came in that can't be used; it is kept, counted and shown.

    Attributes:
        origin: Where it came in: ``socket``, ``file``, ``gateway``.
        raw: Its beginning, at most 4096 bytes.
        size: Its whole size in bytes.
    """

    origin: str
    reason: str
    raw: bytes = b""
    size: int = 0


class BackendOpened(Model):
    """The socket is open. The router answers with ``Resume``.

    Attributes:
        instance: The identity of the backend's database, where it tells one: another instance counts its
            events from the beginning.
        acks: Whether it acknowledges what is published (then publications are kept until it does).
        connection: Which connection of which incarnation it is; the answer names it.
    """

    instance: str | None = None
    acks: bool = False
    connection: tuple[int, int] | None = None


class ResendPublications(Model):
    """The backend can take publications again: send all that wait, oldest first."""


class ReplayChanged(Model):
    """The backend began (or has finished) to send what was missed.

    What it will say next may undo what it said last, so no new subtask is handed over meanwhile.
    """

    running: bool


class BackendChanged(Model):
    """The state of the way to the backend, for people."""

    state: Literal["connecting", "open", "closed", "refused", "given_up"]
    detail: str = ""


class PublicationSent(Model):
    """A publication went out on the socket of a backend that doesn't acknowledge."""

    key: str


class PublicationConfirmed(Model):
    """The backend has it."""

    key: str


class PublicationRefused(Model):
    """The backend will not take it."""

    key: str
    reason: str


class Resume(Model):
    """Subscribe, from the event after ``since`` (None: only what comes from now on).

    Attributes:
        connection: From the ``BackendOpened`` that it answers; an answer that is late counts for nothing.
    """

    since: int | None
    connection: tuple[int, int] | None = None


class Publish(Model):
    """Send this event to the backend.

    Attributes:
        key: Its idempotency key: the same however often it is sent.
        event_type: Such as ``subtask.completed``.
        payload: The event's payload in the design dialect.
    """

    key: str
    event_type: str
    payload: dict[str, Any]


class ConnectNow(Model):
    """Try at once to connect, also where the backend was given up."""


FromConnection = (
    EventReceived
    | InputRejected
    | BackendOpened
    | ResendPublications
    | ReplayChanged
    | BackendChanged
    | PublicationSent
    | PublicationConfirmed
    | PublicationRefused
)
"""What the connection tells the router."""
