"""The v2.0 dialect (``version`` is "2.0"): told apart from the others, so that it is refused by its name."""

from typing import Any

from actors.connection.dialects.parsed import Parsed, rejected


def is_v2(message: dict[str, Any]) -> bool:
    """Whether a message is in the v2.0 dialect."""
    return message.get("version") == "2.0"


def read_v2(message: dict[str, Any]) -> Parsed:
    """Refuse it: what it says is not understood."""
    return rejected(f"unsupported dialect {message['version']}")
