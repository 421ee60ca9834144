"""Control messages: what a backend says about the connection, by ``type``, whatever dialect its events are in."""

from typing import Any, NoReturn

from actors.connection.dialects.dialect import Dialect
from actors.connection.dialects.parsed import Parsed, read_control
from actors.protocol.backend import Publish


class ControlDialect(Dialect):
    """No events at all: welcomes, answers to subscriptions and publications, errors."""

    def recognises(self, message: dict[str, Any]) -> bool:
        """Tell it by its ``type``."""
        return "type" in message

    def read(self, message: dict[str, Any]) -> Parsed:
        """Read a control message."""
        return read_control(message)

    def write(self, publication: Publish) -> NoReturn:  # noqa: ARG002 - it takes none
        """Refuse it: an event is no control message."""
        raise ValueError("control messages hold no events")
