"""An agent's prompt: where it is looked for, and what its file may say.

A file is written in Claude Code's own format for subagents (front matter between ``---`` lines, then the
prompt), so that it serves there as well; two keys are ours: ``extra_args`` and ``strict_mcp``.
"""

import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import yaml

from actors.errors import CoordinatorError
from actors.model import Model, is_agent_name

MAX_BYTES = 256 * 1024
_OPENING = re.compile(r"---[ \t]*\n")
_PARTS = re.compile(r"---[ \t]*(?P<front>\n.*?)^---[ \t]*$\n?(?P<text>.*)", re.DOTALL | re.MULTILINE)
_NOT_OURS = frozenset({
    *("background", "color", "effort", "hooks", "initialPrompt", "isolation"),
    *("maxTurns", "mcpServers", "memory", "skills"),
})  # fmt: skip
"""Keys of Claude Code's format that mean something only where Claude starts the subagent itself."""
_RESERVED = frozenset({
    *("-p", "--print", "--input-format", "--output-format", "--replay-user-messages"),
    *("-r", "--resume", "-c", "--continue", "--session-id", "--fork-session", "--no-session-persistence"),
})  # fmt: skip
"""What the session itself passes, or what would take its conversation away from it."""


class PromptError(CoordinatorError):
    """An agent has no prompt that can be used."""


class NoPrompt(PromptError):  # noqa: N818 - it says what is missing
    """There is no prompt for this agent.

    Attributes:
        agent: The agent.
        places: Where it was looked for.
    """

    def __init__(self, agent: str, places: tuple[Path, ...]) -> None:
        super().__init__(f"there is no prompt for {agent}; looked for " + ", ".join(map(str, places)))
        self.agent = agent
        self.places = places


class BadPrompt(PromptError):  # noqa: N818 - it says what is wrong
    """A prompt's file can't be used.

    Attributes:
        path: The file.
        line: Where in it, counted from 1.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class AgentPrompt(Model):
    """What an agent's session is started with.

    Attributes:
        text: The prompt, appended to Claude Code's own.
        description: What the agent is for, in words for people.
        model: The model to use; None: Claude Code's default.
        tools: The only tools that it may have; empty: all of them.
        disallowed_tools: Tools that it may not have.
        permission_mode: Claude Code's permission mode; None: the coordinator's setting.
        extra_arguments: More arguments for the command line.
        strict_mcp: Whether it sees the coordinator's MCP server only, and none of the user's or project's.
    """

    text: str
    description: str = ""
    model: str | None = None
    tools: tuple[str, ...] = ()
    disallowed_tools: tuple[str, ...] = ()
    permission_mode: str | None = None
    extra_arguments: tuple[str, ...] = ()
    strict_mcp: bool = False


def find_prompt(agent: str, work_dir_prompts: Path, product_prompts: Path) -> AgentPrompt:
    """The agent's prompt: the user's own ``.md``, else the user's ``.txt`` (plain text), else the product's.

    Raises:
        NoPrompt: There is none.
        BadPrompt: The first that there is can't be used; no other is taken in its place.
        ValueError: That is no agent's name.
    """
    if not is_agent_name(agent):
        raise ValueError(f"{agent!r} is no agent's name")
    places = (
        work_dir_prompts / f"{agent}.md",
        work_dir_prompts / f"{agent}.txt",
        product_prompts / f"{agent}.md",
    )
    for path in places:
        if os.path.lexists(path):
            return _load(path)
    raise NoPrompt(agent, places)


def _load(path: Path) -> AgentPrompt:
    text = _read(path).removeprefix("\ufeff").replace("\r\n", "\n")
    if path.suffix == ".txt" or not _OPENING.match(text):
        return _prompt(path, 1, {}, text)
    parts = _PARTS.match(text)
    if not parts:
        raise BadPrompt(path, 1, "the front matter that begins here has no --- line at its end")
    front = parts["front"]  # with the newline of its opening, so that its lines are numbered as the file's
    return _prompt(path, front.count("\n") + 2, _front_matter(path, front), parts["text"])


def _read(path: Path) -> str:
    try:
        if not path.resolve(strict=True).is_relative_to(path.parent.resolve()):
            raise BadPrompt(path, 1, "is a link that leads out of its folder; put the prompt itself there")
        raw = _read_regular(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
        raise BadPrompt(path, 1, f"can't be read: {error}") from error
    if len(raw) > MAX_BYTES:
        raise BadPrompt(path, 1, f"is longer than {MAX_BYTES} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadPrompt(path, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8") from error


def _read_regular(path: Path) -> bytes:
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is no regular file")
        return file.read(MAX_BYTES + 1)


def _open_at_once(path: str, flags: int) -> int:
    # A FIFO in its place is refused rather than waited for.
    return os.open(path, flags | os.O_NONBLOCK)


class _Entry(Model):
    """A value of the front matter, and where it stands."""

    path: Path
    line: int
    key: str
    value: str | list[str] | None

    def wrong(self, expected: str) -> BadPrompt:
        return BadPrompt(self.path, self.line, f"{self.key} must be {expected}")

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("text")
        return self.value.strip()

    def word(self) -> str:
        # It becomes an argument of its own, where a dash at its beginning would make it an option.
        if not re.fullmatch(r"[A-Za-z0-9][\w.:@/\[\]-]*", self.text()):
            raise self.wrong("one word")
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
        except (BadPrompt, ValueError) as error:
            raise self.wrong("a list of texts, or text as a shell splits it") from error


_READERS = {
    "description": ("description", _Entry.text),
    "model": ("model", _Entry.word),
    "tools": ("tools", _Entry.names),
    "disallowedTools": ("disallowed_tools", _Entry.names),
    "permissionMode": ("permission_mode", _Entry.word),
    "extra_args": ("extra_arguments", _Entry.arguments),
    "strict_mcp": ("strict_mcp", _Entry.flag),
}


def _front_matter(path: Path, front: str) -> dict[str, object]:
    fields: dict[str, object] = {}
    seen: set[str] = set()
    for entry in _entries(path, front):
        if entry.key in seen:
            raise BadPrompt(path, entry.line, f"{entry.key} is there twice")
        seen.add(entry.key)
        if entry.key == "name":
            entry.text()  # the file's name decides; this one is for Claude Code
        elif entry.key in _READERS and entry.value != "":  # nothing after the colon: not said
            field, read = _READERS[entry.key]
            fields[field] = read(entry)
        elif entry.key not in _READERS.keys() | _NOT_OURS:
            raise BadPrompt(path, entry.line, f"there is no key {entry.key[:100]!r}")
    return fields


def _entries(path: Path, front: str) -> Iterator[_Entry]:
    root = _compose(path, front)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise BadPrompt(path, 2, "the front matter must consist of lines such as 'name: value'")
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise BadPrompt(path, line, "a key must be text")
        yield _Entry(path=path, line=line, key=key.value, value=_value(value))


def _compose(path: Path, front: str) -> yaml.Node | None:
    try:
        return yaml.compose(front, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadPrompt(path, mark.line + 1 if mark else 2, f"is not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = front.count("\n", 0, error.position) + 1
        raise BadPrompt(path, line, f"holds the character U+{error.character:04X}") from error
    except RecursionError as error:
        raise BadPrompt(path, 2, "is nested too deeply") from error


def _value(node: yaml.Node) -> str | list[str] | None:
    """Each scalar as the text that stands there: a date or a "no" is no surprise. None: nothing of ours."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(each, yaml.ScalarNode) for each in node.value):
        return [each.value for each in node.value]
    return None


def _prompt(path: Path, line: int, fields: dict[str, object], text: str) -> AgentPrompt:
    if not text.strip():
        raise BadPrompt(path, line, "holds no prompt")
    if fields.get("model") == "inherit":
        del fields["model"]
    return AgentPrompt.model_validate(fields | {"text": text.strip()})
