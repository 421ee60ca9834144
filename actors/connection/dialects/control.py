"""Control messages about the connection, told by ``type``; they are the same in each dialect."""

from typing import Any, NoReturn

from actors.connection.dialects.dialect import Dialect
from actors.connection.dialects.parsed import Parsed, read_control
from actors.protocol.backend import Publish


class ControlDialect(Dialect):
    """Messages that are no events: welcomes, answers to subscriptions and publications, errors."""

    def recognises(self, message: dict[str, Any]) -> bool:
        """Recognise a message with a ``type``, which names no event."""
        return "type" in message

    def read(self, message: dict[str, Any]) -> Parsed:
        """Read a control message."""
        return read_control(message)

    def write(self, publication: Publish) -> NoReturn:  # noqa: ARG002 - it takes none
        """Refuse to write: an event is no control message."""
        raise ValueError("control messages hold no events")
