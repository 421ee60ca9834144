"""The design dialect: ``event_type`` and ``payload``, with the event's id and number beside them."""

from typing import Any

from actors.connection.dialects.dialect import Dialect, encode, timestamp
from actors.connection.dialects.event_reader import read_event
from actors.connection.dialects.fields import EventFields
from actors.connection.dialects.parsed import Parsed, rejected
from actors.lib.lenient_json import quoted
from actors.protocol.backend import Publish


class DesignDialect(Dialect):
    """The dialect of the embedded backend; a message's ``id`` is the event's key."""

    def recognises(self, message: dict[str, Any]) -> bool:
        """Recognise a message with an ``event_type``."""
        return "event_type" in message

    def read(self, message: dict[str, Any]) -> Parsed:
        """Read an event."""
        payload = message.get("payload")
        if not isinstance(payload, dict):
            return rejected(f"payload is {quoted(payload) if payload is None else 'no object'}")
        outer = EventFields(message)
        envelope = {"key": outer.text("id"), "seq": outer.integer("seq"), "at": outer.text("timestamp")}
        return read_event(message["event_type"], envelope, EventFields(payload, outer.problems))

    def write(self, publication: Publish) -> bytes:
        """Write an event, with its payload unchanged."""
        return encode(
            {
                "id": publication.key,
                "event_type": publication.event_type,
                "payload": publication.payload,
                "timestamp": timestamp(),
            }
        )
