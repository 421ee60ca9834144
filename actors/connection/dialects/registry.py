"""The parse boundary: bytes from the backend become events, and no input makes it raise."""

from collections.abc import Sequence
from typing import Any

import orjson
import structlog

from actors.connection.dialects.control import ControlDialect
from actors.connection.dialects.design import DesignDialect
from actors.connection.dialects.dialect import Dialect
from actors.connection.dialects.flat import FlatDialect
from actors.connection.dialects.parsed import Parsed, rejected
from actors.connection.dialects.v2 import V2Dialect
from actors.lib.lenient_json import load_json
from actors.protocol.backend import Publish

DEFAULT = DesignDialect()
"""The dialect for a backend that hasn't sent an event yet."""
DIALECTS: tuple[Dialect, ...] = (
    V2Dialect(),
    DEFAULT,
    DesignDialect("event_type", "data"),
    FlatDialect("event_type"),
    DesignDialect("event"),
    DesignDialect("event", "data"),
    FlatDialect(),
    DesignDialect("type"),
    DesignDialect("type", "data"),
    FlatDialect("type"),
    ControlDialect(),
)
"""Asked in this order; the first that recognises a message reads it."""

_log = structlog.stdlib.get_logger(__name__)


class Translator:
    """A reader of messages in any dialect, and a writer of publications in the backend's own.

    That is the dialect of its last readable event, or the design dialect until there was one.

    Args:
        dialects: The known dialects, asked in this order.
    """

    def __init__(self, dialects: Sequence[Dialect] = DIALECTS) -> None:
        self._dialects = dialects
        self._spoken: Dialect = DEFAULT

    def read(self, raw: bytes) -> Parsed:
        """Read one message of the backend.

        Texts stay as they are, except for halves of surrogate pairs (see ``load_json``).
        """
        try:
            message = load_json(raw)
        except orjson.JSONDecodeError as error:
            return rejected(f"not JSON: {error}")
        if not isinstance(message, dict):
            return rejected("not a JSON object")
        try:
            return self._read(message)
        except Exception as error:  # noqa: BLE001 - replayed, one message would kill each incarnation of its reader
            _log.exception("message_unreadable", size=len(raw))
            return rejected(f"it could not be read: {type(error).__name__}")

    def write(self, publication: Publish) -> bytes:
        """Write a publication in the dialect that the backend speaks.

        Raises:
            ValueError: No backend of this dialect can take it; the text says why.
        """
        return self._spoken.write(publication)

    def _read(self, message: dict[str, Any]) -> Parsed:
        dialect = next((each for each in self._dialects if each.recognises(message)), None)
        if dialect is None:
            return rejected("unknown dialect: it has neither event_type nor event nor type")
        parsed = dialect.read(message)
        if parsed.event is not None:
            self._spoken = dialect
        return parsed
