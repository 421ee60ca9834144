"""The flat dialect: the event's name, with its fields beside it."""

from typing import Any

from actors.connection.dialects.dialect import Dialect, encode, timestamp
from actors.connection.dialects.event_reader import ID_FIELDS, names_event, read_event
from actors.connection.dialects.fields import EventFields
from actors.connection.dialects.parsed import Parsed
from actors.protocol.backend import Publish

_KEY = "idempotency_key"
_RESERVED = ("event", "event_type", "payload", "data", "version", "seq", "timestamp", _KEY)
"""Fields of the message itself; a payload must not have fields of these names."""


class FlatDialect(Dialect):
    """The dialect of the design document's timeline.

    An ``id`` may be the node's, so it is never the event's key. A publication carries its key as ``idempotency_key``;
    where the backend passes it on, the echo is recognised.

    Args:
        mark: The field that names the event.
    """

    def __init__(self, mark: str = "event") -> None:
        self._mark = mark

    def recognises(self, message: dict[str, Any]) -> bool:
        """Recognise a message that names an event."""
        return names_event(message, self._mark)

    def read(self, message: dict[str, Any]) -> Parsed:
        """Read an event."""
        fields = EventFields(message)
        envelope = {"key": fields.text(_KEY), "seq": fields.integer("seq"), "at": fields.text("timestamp")}
        return read_event(message[self._mark], envelope, fields)

    def write(self, publication: Publish) -> bytes:
        """Write an event, with the fields of its payload beside its name."""
        for name in (self._mark, *_RESERVED):
            if name in publication.payload:
                raise ValueError(f"a flat event has no place for a field that is called {name}")
        fields = _spelled(publication.event_type, publication.payload)
        return encode(
            {self._mark: publication.event_type, **fields, "timestamp": timestamp(), _KEY: publication.key}
        )


def _spelled(event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload, with a node's ``id`` under the name that takes precedence."""
    name = ID_FIELDS.get(event_type.partition(".")[0], ("id",))[0]
    if payload.get(name) is not None or "id" not in payload:
        return payload
    return {name if field == "id" else field: value for field, value in payload.items() if field != name}
