"""The interface of a dialect: how one kind of backend writes events."""

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
        """Return whether a message is written in this dialect, judged by its marks alone; never raise."""

    @abstractmethod
    def read(self, message: dict[str, Any]) -> Parsed:
        """Read a message that this dialect recognises, and never raise.

        The message may be any JSON object with these marks; whatever else is wrong with it is named in ``problems``. A
        field that is missing, null or unusable is left out. Only where the event would be about nothing without it (it
        names no node, for example) is the message rejected.
        """

    @abstractmethod
    def write(self, publication: Publish) -> bytes:
        """Write a publication as a backend of this dialect takes it, with the present time.

        Read again, it is the same event under the same key.

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
