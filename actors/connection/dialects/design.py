"""The design dialect: the event's name and a ``payload``, with the event's id and number beside them."""

from typing import Any

from actors.connection.dialects.dialect import Dialect, encode, timestamp
from actors.connection.dialects.event_reader import names_event, read_event
from actors.connection.dialects.fields import EventFields
from actors.connection.dialects.parsed import Parsed
from actors.protocol.backend import Publish


class DesignDialect(Dialect):
    """The dialect of the embedded backend; a message's ``id`` is the event's key.

    Args:
        mark: The field that names the event.
        body: The field that holds the event.
    """

    def __init__(self, mark: str = "event_type", body: str = "payload") -> None:
        self._mark = mark
        self._body = body

    def recognises(self, message: dict[str, Any]) -> bool:
        """Recognise a message that names an event, and has an object for it."""
        return names_event(message, self._mark) and isinstance(message.get(self._body), dict)

    def read(self, message: dict[str, Any]) -> Parsed:
        """Read an event."""
        outer = EventFields(message)
        envelope = {"key": outer.text("id"), "seq": outer.integer("seq"), "at": outer.text("timestamp")}
        return read_event(message[self._mark], envelope, EventFields(message[self._body], outer.problems))

    def write(self, publication: Publish) -> bytes:
        """Write an event, with its payload unchanged."""
        return encode(
            {
                "id": publication.key,
                self._mark: publication.event_type,
                self._body: publication.payload,
                "timestamp": timestamp(),
            }
        )
