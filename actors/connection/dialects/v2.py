"""The v2.0 dialect (``version`` is "2.0"): told apart from the others, so that it is refused by its name."""

from typing import Any, NoReturn

from actors.connection.dialects.dialect import Dialect
from actors.connection.dialects.parsed import Parsed, rejected
from actors.protocol.backend import Publish


class V2Dialect(Dialect):
    """A door only: nothing of it is understood yet."""

    def recognises(self, message: dict[str, Any]) -> bool:
        """Tell it by its ``version``."""
        return message.get("version") == "2.0"

    def read(self, message: dict[str, Any]) -> Parsed:
        """Refuse it: what it says is not understood."""
        return rejected(f"unsupported dialect {message['version']}")

    def write(self, publication: Publish) -> NoReturn:  # noqa: ARG002 - it takes none
        """Refuse it: its backends take nothing on the socket."""
        raise ValueError("a v2.0 backend takes no events on its socket")
