"""The v2.0 dialect (``version`` is "2.0"): recognised, so that it is refused by its name."""

from typing import Any, NoReturn

from actors.connection.dialects.dialect import Dialect
from actors.connection.dialects.parsed import Parsed, rejected
from actors.protocol.backend import Publish


class V2Dialect(Dialect):
    """A placeholder: messages of v2.0 aren't understood yet."""

    def recognises(self, message: dict[str, Any]) -> bool:
        """Recognise a message whose ``version`` is 2.0."""
        return message.get("version") == "2.0"

    def read(self, message: dict[str, Any]) -> Parsed:
        """Reject the message."""
        return rejected(f"unsupported dialect {message['version']}")

    def write(self, publication: Publish) -> NoReturn:  # noqa: ARG002 - it takes none
        """Refuse to write: backends of v2.0 take nothing on the socket."""
        raise ValueError("a v2.0 backend takes no events on its socket")
