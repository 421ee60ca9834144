"""The parse boundary: bytes from the backend become events. Nothing that comes in makes it raise."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import structlog

from actors.connection.dialects.design import is_design, is_flat, read_design, read_flat
from actors.connection.dialects.parsed import Parsed, read_control, rejected
from actors.connection.dialects.v2 import is_v2, read_v2
from actors.lib.lenient_json import load_json


class Dialect(NamedTuple):
    """One way of writing events.

    Attributes:
        recognises: Whether a message is written in it.
        read: Reads such a message; must not assume more than ``recognises`` has seen.
    """

    recognises: Callable[[dict[str, Any]], bool]
    read: Callable[[dict[str, Any]], Parsed]


DIALECTS = (
    Dialect(is_v2, read_v2),
    Dialect(is_design, read_design),
    Dialect(is_flat, read_flat),
    Dialect(lambda message: "type" in message, read_control),
)
"""Asked in this order; the first that recognises a message reads it."""

_log = structlog.stdlib.get_logger(__name__)


def parse(raw: bytes) -> Parsed:
    """Read one message of the backend, in whichever dialect it is.

    Texts stay as they are, except for halves of surrogate pairs (see ``load_json``).
    """
    try:
        message = load_json(raw)
    except orjson.JSONDecodeError as error:
        return rejected(f"not JSON: {error}")
    if not isinstance(message, dict):
        return rejected("not a JSON object")
    try:
        return _read(message)
    except Exception as error:  # noqa: BLE001 - replayed, one message would kill each incarnation of its reader
        _log.exception("message_unreadable", size=len(raw))
        return rejected(f"it could not be read: {type(error).__name__}")


def _read(message: dict[str, Any]) -> Parsed:
    for recognises, read in DIALECTS:
        if recognises(message):
            return read(message)
    return rejected("unknown dialect: it has neither event_type nor event nor type")
