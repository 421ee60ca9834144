"""Lenient reading of foreign JSON: usable fields are used, the others are reported as problems."""

import re
from collections.abc import Callable
from typing import Any

import orjson

_LARGEST = 2**63 - 1
"""The largest signed 64-bit integer, which is SQLite's limit."""
_MOST_PROBLEMS = 20
"""The number of problems that are kept of one object."""
_LONGEST_QUOTED = 80
_KINDS: dict[type, str] = {dict: "an object", list: "a list", type(None): "nothing", bool: "a truth value"}
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)
"""An escaped surrogate pair, or (the group) half of one, or any other escape in JSON text."""


def load_json(raw: bytes) -> object:
    """Parse JSON text.

    Of a repeated key the last value counts. Half a surrogate pair, which UTF-8 can't encode, becomes U+FFFD.

    Raises:
        orjson.JSONDecodeError: It isn't JSON.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if b"\\u" not in raw:
            raise
        return orjson.loads(_ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], raw))


def quoted(value: object) -> str:
    """Describe a value for a message to people: text is cut and quoted, anything else becomes the name of its type."""
    if not isinstance(value, str):
        return _KINDS.get(type(value), type(value).__name__)
    return repr(value if len(value) <= _LONGEST_QUOTED else value[:_LONGEST_QUOTED] + "…")


class Fields:
    """The fields of one JSON object, read leniently.

    Each reader takes the spellings of one field and uses the first that is present; null counts as absent. A value of
    the wrong type is dropped and added to the problems.

    Attributes:
        problems: The dropped values, in plain words.

    Example:
        >>> fields = Fields({"files": "a.py", "status": None})
        >>> fields.texts("files_modified", "files"), fields.text("status")
        (('a.py',), None)
    """

    def __init__(self, values: dict[str, Any], problems: list[str] | None = None) -> None:
        self.problems: list[str] = [] if problems is None else problems
        self._values = values

    def text(self, *names: str) -> str | None:
        """Read a text; a number is converted to one."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                return value if isinstance(value, str) else self._as_text(name, value)
        return None

    def integer(self, *names: str) -> int | None:
        """Read an integer from 0 to 2^63-1."""
        for name in names:
            value = self._values.get(name)
            if value is None:
                continue
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
                return value
            self.problem(f"{name} is no number from 0 to 2^63-1")
            return None
        return None

    def texts(self, *names: str) -> tuple[str, ...] | None:
        """Read several texts; a single one need not be in a list."""
        found = self._items(*names)
        return None if found is None else tuple(found)

    def required(self, read: Callable[..., str | None], *names: str) -> str | None:
        """Read a field by one of this object's readers; note a problem if it is absent."""
        before = len(self.problems)
        found = read(*names)
        if found is None and len(self.problems) == before:
            self.problem(f"it has no {names[0]}")
        return found

    def problem(self, text: str) -> None:
        """Note a dropped value."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(text)

    def _items(self, *names: str) -> list[str] | None:
        for name in names:
            value = self._values.get(name)
            if value is None:
                continue
            if isinstance(value, list):
                return [text for item in value if (text := self._as_text(name, item)) is not None]
            text = self._as_text(name, value)
            return None if text is None else [text] if text else []
        return None

    def _as_text(self, name: str, value: object) -> str | None:
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        self.problem(f"{name}: {quoted(value)} is no text")
        return None
