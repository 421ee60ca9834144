"""Messages between the connection and the router: events from the backend, and publications to it."""

from typing import Any, Literal

from actors.protocol.base import Model
from actors.protocol.events import Event
from actors.protocol.names import Source


class EventReceived(Model):
    """An event that came in, from the backend or through another source."""

    event: Event
    source: Source = "backend"


class InputRejected(Model):
    """Input that can't be used. The first of a kind is kept, the rest are counted; ``rejected`` lists them.

    Attributes:
        origin: The way it came in: ``socket``, ``file``, ``gateway``.
        reason: The fault, in plain words.
        raw: Its beginning, at most 4096 bytes.
        size: Its whole size in bytes.
        count: The number of inputs of its kind that this stands for.
    """

    origin: str
    reason: str
    raw: bytes = b""
    size: int = 0
    count: int = 1


class BackendOpened(Model):
    """Notice that the socket is open. The router answers with ``Resume``.

    Attributes:
        instance: The identity of the backend's database, or None if the backend doesn't send one. Another instance
            numbers its events from the beginning.
        acks: True if it acknowledges publications; each is then kept until it does.
        connection: The incarnation of the connection's actor and the number of the connection; the answer repeats it.
    """

    instance: str | None = None
    acks: bool = False
    connection: tuple[int, int] | None = None


class ResendPublications(Model):
    """Notice that the backend accepts publications again: the router sends all that wait, oldest first."""


class ReplayChanged(Model):
    """The start or the end of a replay, in which the backend sends the events that were missed.

    A later event of a replay may undo an earlier one, so no new subtask is handed over meanwhile.
    """

    running: bool


class BackendChanged(Model):
    """The state of the connection to the backend, for people."""

    state: Literal["connecting", "open", "closed", "refused", "given_up"]
    detail: str = ""


class PublicationSent(Model):
    """Notice that a publication was written to the socket of a backend that doesn't acknowledge."""

    key: str


class PublicationConfirmed(Model):
    """The backend's acknowledgement of a publication."""

    key: str


class PublicationRefused(Model):
    """The backend's refusal of a publication; it is not sent again."""

    key: str
    reason: str


class Resume(Model):
    """A request to subscribe to the backend's events.

    Attributes:
        since: The number of the last known event; None: only new events are wanted.
        connection: Copied from the ``BackendOpened`` that it answers; an answer for another connection is ignored.
    """

    since: int | None
    connection: tuple[int, int] | None = None


class Publish(Model):
    """An event of ours for the backend.

    Attributes:
        key: Its idempotency key, the same each time it is sent.
        event_type: Its name, such as ``subtask.completed``.
        payload: The event's payload in the design dialect.
    """

    key: str
    event_type: str
    payload: dict[str, Any]


class ConnectNow(Model):
    """A request to connect at once, even if connecting was given up."""


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
"""The messages from the connection to the router."""
