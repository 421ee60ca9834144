"""The seam between the connection and the ways in which backends write events."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any

import orjson

from actors.connection.dialects.parsed import Parsed
from actors.connection.frames import MAX_MESSAGE
from actors.protocol.backend import Publish


class Dialect(ABC):
    """One way of writing messages, without state: JSON objects to events, and publications to bytes.

    Dialects are asked in order, and the first that recognises a message reads it. So a dialect may recognise what
    another one further down would too, and what a dialect writes is recognised by itself before any other.
    tests/actors/connection/dialects/test_contract.py holds every dialect to this.
    """

    @abstractmethod
    def recognises(self, message: dict[str, Any]) -> bool:
        """Tell whether a message is written in this dialect, from its marks alone; never raises."""

    @abstractmethod
    def read(self, message: dict[str, Any]) -> Parsed:
        """Read a message that this dialect recognises.

        It may be any JSON object with these marks: whatever else is wrong with it is named in ``problems``, and
        nothing of it raises. A field that is missing, null or of no use makes an event poorer, not unreadable, unless
        the event would be about nothing without it.
        """

    @abstractmethod
    def write(self, publication: Publish) -> bytes:
        """Write a publication as a backend of this dialect takes it.

        Read again, it is the same event under the same key. Publications are written at most once each time they are
        sent, with the time of that.

        Returns:
            One JSON object in UTF-8, no longer than ``MAX_MESSAGE``.

        Raises:
            ValueError: No backend of this dialect can take it, now or later; the text says why.
        """


def encode(message: dict[str, Any]) -> bytes:
    """Write an object as JSON.

    Raises:
        ValueError: It can't be written, or is too long.
    """
    try:
        encoded = orjson.dumps(message)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"it can't be written as JSON: {error}") from None
    if len(encoded) > MAX_MESSAGE:
        raise ValueError(f"it is longer than {MAX_MESSAGE} bytes")
    return encoded


def timestamp() -> str:
    """Return the present time as events carry it."""
    return datetime.now(UTC).isoformat()
