"""The fields of an event: ids and agents' names, in any of the shapes in which backends write them."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from actors.lib.lenient_json import Fields, load_json, quoted
from actors.protocol.base import is_agent_name
from actors.protocol.node_ids import is_node_id

_DEEPEST = 3
"""The most objects around a name: ``{"agent": {"name": "coder"}}`` has two."""
_EXACT = 2**53
"""Floats below it are exact integers."""


class _Kind(NamedTuple):
    """A kind of name.

    Attributes:
        keys: The keys under which an object has its name, the best first.
        valid: Returns whether a text is such a name.
        strip: A prefix that isn't part of the name.
        between: Matches what separates names in one text.
        fault: The description of what is none, with the next step.
    """

    keys: tuple[str, ...]
    valid: Callable[[str], bool]
    strip: str
    between: re.Pattern[str]
    fault: str


_NODE = _Kind(
    ("subtask_id", "task_id", "id", "node_id", "depends_on", "dependency", "uuid", "key"),
    is_node_id,
    "",
    re.compile(r"[,;\n]"),
    "no valid id: up to 200 printable characters are",
)
_AGENT = _Kind(
    ("agent", "agent_name", "agent_id", "name", "id", "username", "login", "slug", "assignee", "user"),
    is_agent_name,
    "@",
    re.compile(r"[,;\n]|\s+(?=@)"),
    "no valid agent name: give the name of its prompt's file, such as coding-agent",
)


class EventFields(Fields):
    """The fields of one JSON object that holds an event.

    A name may be a text, a number, or an object that has it. Several may be a list of these, one of them, or a text
    with commas or with a JSON list.
    """

    def node(self, *names: str) -> str | None:
        """Read the id of a task or subtask."""
        return self._one(names, _NODE)

    def agent(self, *names: str) -> str | None:
        """Read an agent's name, without the ``@`` that it may begin with."""
        return self._one(names, _AGENT)

    def nodes(self, *names: str) -> tuple[str, ...] | None:
        """Read several ids, each once; invalid ones are dropped, and named as problems."""
        return self._several(names, _NODE)

    def agents(self, *names: str) -> tuple[str, ...] | None:
        """Read several agents' names, each once; invalid ones are dropped, and named as problems."""
        return self._several(names, _AGENT)

    def _one(self, names: tuple[str, ...], kind: _Kind) -> str | None:
        name, value = self._given(names)
        if value is None:
            return None
        found = _read(value, kind)
        if found is None:
            self.problem(f"{name}: {quoted(value)} is {kind.fault}")
        return found

    def _several(self, names: tuple[str, ...], kind: _Kind) -> tuple[str, ...] | None:
        """Read several names; None if none of those that are given can be used, so that they change nothing."""
        name, value = self._given(names)
        if value is None:
            return None
        items = _items(value, kind)
        found: dict[str, None] = {}
        for item in items:
            text = _read(item, kind)
            if text is None:
                self.problem(f"{name}: {quoted(item)} is {kind.fault}")
            else:
                found[text] = None
        return tuple(found) if found or not items else None

    def _given(self, names: tuple[str, ...]) -> tuple[str, Any]:
        found = ((name, self._values.get(name)) for name in names)
        return next(((name, value) for name, value in found if value is not None), ("", None))


def _items(value: object, kind: _Kind) -> list[object]:
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, str):
        parts = (part.strip() for part in kind.between.split(value))
        return [part for part in parts if part]
    return value if isinstance(value, list) else [value]


def _parsed(text: str) -> object:
    """Return the list or object that a text is, if it is one, else the text."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return load_json(text.encode(errors="replace"))
    except orjson.JSONDecodeError:
        return text


def _read(value: object, kind: _Kind, depth: int = 0) -> str | None:
    """Return the name that a value is or has, or None."""
    if isinstance(value, dict):
        if depth == _DEEPEST:
            return None
        found = (_read(value.get(key), kind, depth + 1) for key in kind.keys)
        return next((name for name in found if name is not None), None)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    name = value.strip().removeprefix(kind.strip)
    return name if kind.valid(name) else None
