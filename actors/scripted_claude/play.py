"""The play: the steps that a message makes a stand-in perform.

Two stand-ins read it, the scripted claude and the tests' double of the model's API, so that one message has
one outcome with both. A message contains its play in a line `@play [step, …]` (quoted lines count: a task's
description may contain it); without one it gets the default for its header. The steps:

    {"say": text}        {"mark": text}                   Claude's words
    {"sleep": seconds}                                    thinking
    {"bash": command}    {"write": {file_path, content}}  the built-in tools
    {"background": command}                               a command that outlasts the turn
    {"complete": {…}}    {"block": reason}                the coordinator's tools
    {"call": {"tool": name, "input": {…}}}                any tool
    {"error": {"status": 529, "times": 1, "retry_after": seconds, "message": text}}
    {"drop": true}       {"hang": true}                   the API's faults: its double only

A line `@wake [step, …]` in the same message is played when a background command has ended.

Everything here is pure and needs only the standard library, so that a stand-in starts at once.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

COMPLETE = "mcp__coordinator__complete_subtask"
BLOCKED = "mcp__coordinator__report_blocked"
NOTHING_ASKED = "No response requested."
INTERRUPTED = "[Request interrupted by user"
NOTIFICATION = "task-notification"
"""The tag in which claude tells the model that background work has ended."""

_HEADER = re.compile(r"^\[coordinator ([^\]\n]*)\][ \t]*$", re.MULTILINE)
_PLAY = re.compile(r"^(?:> ?)*[ \t]*@play (\[.*\])[ \t]*$", re.MULTILINE)
_WAKE = re.compile(_PLAY.pattern.replace("@play", "@wake"), re.MULTILINE)
_TITLE = re.compile(r"^(?:> ?)*[ \t]*Title: *(.+?)[ \t]*$", re.MULTILINE)
_MID_TURN = re.compile(
    r"The user sent a new message while you were working:\n(.*?)\n\nThis is how Claude Code surfaces",
    re.DOTALL,
)
_NOT_THE_USER = ("<system-reminder>", "<local-command-", "<command-name>", f"<{NOTIFICATION}>")
_COMPLETING = frozenset({"task_ready", "dependency_completed", "reminder"})


class Say(NamedTuple):
    """A step: Claude says a text."""

    text: str


class Sleep(NamedTuple):
    """A step: Claude thinks for so many seconds."""

    seconds: float


class Tool(NamedTuple):
    """A step: Claude uses a tool, which ends one answer of the model."""

    name: str
    input: dict[str, Any]


class Fault(NamedTuple):
    """A step: the API fails. `kind` is error, drop or hang; `detail` is the step's own value."""

    kind: str
    detail: dict[str, Any]


Step = Say | Sleep | Tool | Fault


class _Section(NamedTuple):
    """One coordinator message within a text, which may hold several."""

    kind: str
    subtask: str
    body: str


class Plan:
    """The remaining steps, those of the newest message first.

    A message that comes during a turn goes first, and the turn is continued after it.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._wake: list[Step] = []

    @classmethod
    def of_history(cls, messages: Iterable[Mapping[str, Any]]) -> "Plan":
        """Return the steps that remain at the end of a conversation (role/content messages, oldest first)."""
        plan = cls()
        for message in messages:
            if message.get("role") == "assistant" and not _is_filler(message):
                plan.answered(tools=any(block.get("type") == "tool_use" for block in _blocks(message)))
            for text in user_texts(message):
                plan.add(text)
            if any(f"<{NOTIFICATION}>" in str(block.get("text")) for block in _blocks(message)):
                plan.wake()
        return plan

    def wake(self) -> None:
        """Add the steps for the end of a background command."""
        self.steps[:0] = self._wake

    def add(self, text: str) -> None:
        """Add the steps of a user's message; an interruption clears the plan instead."""
        steps = steps_for(text)
        self._wake = _steps_of(text, _WAKE) or self._wake
        if text.startswith(INTERRUPTED):
            self.steps.clear()
        elif self.steps != steps:  # sent again before anything was answered: one request, not two
            self.steps[:0] = steps

    def answered(self, *, tools: bool) -> None:
        """Count one answer of the model as given; one without a tool has ended its turn."""
        if tools:
            self.next_answer()
        else:
            self.steps.clear()

    def next_answer(self) -> list[Step]:
        """Remove and return the steps of the model's next answer, up to and including the first tool."""
        ends = [number for number, step in enumerate(self.steps, 1) if isinstance(step, Tool)]
        size = ends[0] if ends else len(self.steps)
        answer, self.steps[:size] = self.steps[:size], []
        return answer or [Say("(simulated) Done.")]


def user_texts(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the user's own texts in a message, without results of tools and the program's reminders.

    A message that came during a turn stands in a message of the system, framed by claude.
    """
    texts = [block["text"] for block in _blocks(message) if block.get("type") == "text" and block.get("text")]
    if message.get("role") == "user":
        yield from (text for text in texts if not text.lstrip().startswith(_NOT_THE_USER))
    elif message.get("role") == "system":
        yield from (found for text in texts for found in _MID_TURN.findall(text))


def steps_for(text: str) -> list[Step]:
    """Return the steps that a user's message asks for, at least one."""
    return [step for section in _sections(text) for step in _section_steps(section)]


def _steps_of(text: str, pattern: re.Pattern[str]) -> list[Step]:
    """Return the steps in a text's lines of one kind; none where they can't be read."""
    try:
        return [
            _step(step, section)
            for section in _sections(text)
            for found in pattern.findall(section.body)
            for step in json.loads(found)
        ]
    except (ValueError, TypeError, AttributeError, KeyError):
        return []


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content", "")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _is_filler(message: Mapping[str, Any]) -> bool:
    """Return whether claude wrote it to close a turn that a crash left open: the work is still to be done."""
    return [block.get("text") for block in _blocks(message)] == [NOTHING_ASKED]


def _sections(text: str) -> list[_Section]:
    headers = list(_HEADER.finditer(text))
    if not headers:
        return [_Section("", "", text)]
    ends = [header.start() for header in headers[1:]] + [len(text)]
    return [_section(header, text[header.end() : end]) for header, end in zip(headers, ends, strict=True)]


def _section(header: re.Match[str], body: str) -> _Section:
    fields = dict(pair.partition("=")[::2] for pair in header[1].split())
    return _Section(fields.get("kind", ""), fields.get("subtask", ""), body)


def _section_steps(section: _Section) -> list[Step]:
    plays = _PLAY.findall(section.body)
    try:
        asked = [step for play in plays for step in json.loads(play)]
        return [_step(step, section) for step in asked] if plays else _default(section)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return [Say(f"(simulated) The play can't be read: {error!r}")]


def _default(section: _Section) -> list[Step]:
    if section.kind not in _COMPLETING:
        return [Say("(simulated) Understood.")]
    title = _title(section)
    return [
        Say(f"(simulated) Working on: {title}"),
        _complete({}, section),
        Say(f"(simulated) Finished: {title}"),
    ]


def _step(step: dict[str, Any], section: _Section) -> Step:
    ((kind, value),) = step.items()
    if kind in {"say", "mark"}:
        return Say(str(value))
    if kind == "sleep":
        return Sleep(float(value))
    if kind in {"error", "drop", "hang"}:
        return Fault(kind, dict(value) if isinstance(value, dict) else {})
    return _tool(kind, value, section)


def _tool(kind: str, value: Any, section: _Section) -> Tool:  # noqa: ANN401  each kind has a shape of its own
    if kind == "bash":
        return Tool("Bash", {"command": str(value), "description": "Runs a step of the play"})
    if kind == "background":
        given = {"command": str(value), "description": str(value)[:60], "run_in_background": True}
        return Tool("Bash", given)
    if kind == "write":
        return Tool("Write", dict(value))
    if kind == "complete":
        return _complete(dict(value), section)
    if kind == "block":
        return Tool(BLOCKED, {"reason": str(value)} | _subtask(section))
    if kind == "call":
        return Tool(str(value["tool"]), dict(value.get("input", {})))
    raise ValueError(f"unknown step {kind}")


def _complete(given: dict[str, Any], section: _Section) -> Tool:
    title = _title(section)
    filled = {
        "completion_summary": f"(simulated) Done: {title}",
        "insights_found": [f"(simulated) {title}: nothing stood in the way"],
        "files_modified": [],
    }
    return Tool(COMPLETE, _subtask(section) | filled | given)


def _subtask(section: _Section) -> dict[str, Any]:
    return {"subtask_id": section.subtask} if section.subtask else {}


def _title(section: _Section) -> str:
    found = _TITLE.search(section.body)
    return found[1] if found else section.subtask or "the task"
