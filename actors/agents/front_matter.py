"""The front matter of a prompt's file: values are checked by key, and errors name the line."""

import re
import shlex
from collections.abc import Iterator
from typing import Literal, get_args

import yaml

from actors.lib.errors import CoordinatorError
from actors.protocol.base import Model

PermissionMode = Literal["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual", "plan"]

_NOT_OURS = frozenset({
    *("background", "color", "effort", "hooks", "initialPrompt", "isolation"),
    *("maxTurns", "mcpServers", "memory", "skills"),
})  # fmt: skip
"""Keys of Claude Code's format that matter only where Claude starts the subagent itself; they are ignored."""
_RESERVED = frozenset({
    *("-p", "--print", "--input-format", "--output-format", "--replay-user-messages"),
    *("-r", "--resume", "-c", "--continue", "--session-id", "--fork-session", "--no-session-persistence"),
})  # fmt: skip
"""Options that the session itself passes, or that would lead claude into another conversation."""


class FrontMatterError(CoordinatorError):
    """The front matter can't be used.

    Attributes:
        line: The number of the line, from 1.
        reason: What is wrong there.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class _Entry(Model):
    """A key of the front matter with its value and line; each method reads the value as one type."""

    line: int
    key: str
    value: str | list[str] | None

    def wrong(self, expected: str) -> FrontMatterError:
        return FrontMatterError(self.line, f"{self.key} must be {expected}")

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("text")
        return self.value.strip()

    def word(self) -> str:
        # It becomes an argument of its own, and with a leading dash it would be an option.
        if not re.fullmatch(r"[A-Za-z0-9][\w.:@/\[\]-]*", self.text()):
            raise self.wrong("one word")
        return self.text()

    def mode(self) -> str:
        modes = get_args(PermissionMode)
        if self.text() not in modes:
            raise self.wrong("one of " + ", ".join(modes))
        return self.text()

    def flag(self) -> bool:
        named = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        if self.text().lower() not in named:
            raise self.wrong("true or false")
        return named[self.text().lower()]

    def names(self) -> tuple[str, ...]:
        # Commas inside parentheses belong to a rule such as Bash(git log:*, git diff:*).
        parts = self.value if isinstance(self.value, list) else re.split(r",(?![^(]*\))", self.value or "")
        names = tuple(part.strip() for part in parts)
        if not all(re.match(r"\w", name) for name in names):
            raise self.wrong("names of tools: a list, or text with commas")
        return names

    def arguments(self) -> tuple[str, ...]:
        words = tuple(self.value) if isinstance(self.value, list) else self.words()
        for word in words:
            if word.partition("=")[0] in _RESERVED:
                raise self.wrong(f"without {word.partition('=')[0]}, which the session itself sets")
        return words

    def words(self) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(self.text()))
        except (FrontMatterError, ValueError) as error:
            raise self.wrong("a list of texts, or text as a shell splits it") from error


_READERS = {
    "description": ("description", _Entry.text),
    "model": ("model", _Entry.word),
    "tools": ("tools", _Entry.names),
    "allowed_tools": ("allowed_tools", _Entry.names),
    "disallowedTools": ("disallowed_tools", _Entry.names),
    "permissionMode": ("permission_mode", _Entry.mode),
    "extra_args": ("extra_arguments", _Entry.arguments),
    "strict_mcp": ("strict_mcp", _Entry.flag),
}


def read_front_matter(front: str) -> dict[str, object]:
    """Read a front matter into the attributes of ``AgentPrompt``, by name.

    Args:
        front: The text between the lines of dashes, with the newline of the first.

    Raises:
        FrontMatterError: A value can't be used.
    """
    fields: dict[str, object] = {}
    seen: set[str] = set()
    for entry in _entries(front):
        if entry.key in seen:
            raise FrontMatterError(entry.line, f"{entry.key} appears twice")
        seen.add(entry.key)
        if entry.key == "name":
            entry.text()  # the file's name decides; this one is for Claude Code
        elif entry.key in _READERS and entry.value != "":  # nothing after the colon: not said
            field, read = _READERS[entry.key]
            fields[field] = read(entry)
        elif entry.key not in _READERS.keys() | _NOT_OURS:
            raise FrontMatterError(entry.line, f"unknown key {entry.key[:100]!r}")
    return fields


def _entries(front: str) -> Iterator[_Entry]:
    root = _compose(front)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise FrontMatterError(2, "the front matter must consist of lines such as 'name: value'")
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise FrontMatterError(line, "a key must be text")
        yield _Entry(line=line, key=key.value, value=_value(value))


def _compose(front: str) -> yaml.Node | None:
    try:
        return yaml.compose(front, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FrontMatterError(mark.line + 1 if mark else 2, f"is not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = front.count("\n", 0, error.position) + 1
        raise FrontMatterError(line, f"contains the character U+{error.character:04X}") from error
    except RecursionError as error:
        raise FrontMatterError(2, "is nested too deeply") from error


def _value(node: yaml.Node) -> str | list[str] | None:
    """Return scalars as the text that stands there (a date or a "no" stays as it is), and None for other values."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(each, yaml.ScalarNode) for each in node.value):
        return [each.value for each in node.value]
    return None
