"""Reads JSON that a stranger wrote: what is usable is used, the rest is named."""

import re
from collections.abc import Callable
from typing import Any

import orjson

_LARGEST = 2**63 - 1
"""What 64 bits can hold with a sign, as SQLite does."""
_NAMED_AT_MOST = 20
"""Problems of one object that are kept."""
_LONGEST_QUOTED = 80
_KINDS: dict[type, str] = {dict: "an object", list: "a list", type(None): "nothing", bool: "a truth value"}
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)
"""An escaped surrogate pair, or (the group) half of one, or any other escape in JSON text."""


def load_json(raw: bytes) -> object:
    """What this JSON text says.

    A key that is there twice counts with its last value. Half a surrogate pair, which no UTF-8 can hold,
    becomes U+FFFD; all other text stays as it is.

    Raises:
        orjson.JSONDecodeError: It is none.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if b"\\u" not in raw:
            raise
        return orjson.loads(_ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], raw))


def quoted(value: object) -> str:
    """A value for a line that a person reads: a text cut and quoted, of anything else its type."""
    if not isinstance(value, str):
        return _KINDS.get(type(value), type(value).__name__)
    return repr(value if len(value) <= _LONGEST_QUOTED else value[:_LONGEST_QUOTED] + "…")


class Fields:
    """One JSON object, and what was wrong with it so far.

    Each reader takes the spellings of one field and uses the first that is there; null counts as not there.

    Attributes:
        problems: What was dropped, in plain words.
    """

    def __init__(self, values: dict[str, Any], problems: list[str] | None = None) -> None:
        self.problems: list[str] = [] if problems is None else problems
        self._values = values

    def text(self, *names: str) -> str | None:
        """A text; a number becomes one."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                return value if isinstance(value, str) else self._as_text(name, value)
        return None

    def integer(self, *names: str) -> int | None:
        """A number from 0 on."""
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
        """Several texts; a single one need not be in a list."""
        found = self._items(*names)
        return None if found is None else tuple(found)

    def checked(
        self, names: tuple[str, ...], valid: Callable[[str], bool], fault: str, *, strip: str = ""
    ) -> str | None:
        """A text of a certain form.

        Args:
            names: The spellings of the field.
            valid: Whether a text has the form.
            fault: What is said of one that hasn't, such as ``no valid id``.
            strip: What it may begin with, and is taken off.
        """
        found = self.text(*names)
        if found is None:
            return None
        text = found.removeprefix(strip)
        if valid(text):
            return text
        self.problem(f"{quoted(found)} is {fault}")
        return None

    def all_checked(
        self, names: tuple[str, ...], valid: Callable[[str], bool], fault: str, *, strip: str = ""
    ) -> tuple[str, ...] | None:
        """Several texts of a certain form, each once; those that haven't got it are dropped and named."""
        found = self._items(*names)
        if found is None:
            return None
        kept: dict[str, None] = {}
        for item in found:
            text = item.removeprefix(strip)
            if valid(text):
                kept[text] = None
            else:
                self.problem(f"{names[0]}: {quoted(item)} is {fault}")
        return tuple(kept)

    def required(self, read: Callable[..., str | None], *names: str) -> str | None:
        """What a reader of this object finds under these names; a problem if it is not there."""
        before = len(self.problems)
        found = read(*names)
        if found is None and len(self.problems) == before:
            self.problem(f"it has no {names[0]}")
        return found

    def problem(self, text: str) -> None:
        """Note something that was dropped."""
        if len(self.problems) < _NAMED_AT_MOST:
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
