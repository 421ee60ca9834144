"""Markers, by which an agent without tools states how its subtask ended.

A marker is a statement, not a mention. It counts only in Claude's last answer, and only as the whole of its last line,
outside of quotations and code; JSON counts only where it is the whole answer, in a fence or not. Everything else that
names a marker, such as "I can't say TASK_COMPLETE yet", is prose.
"""

import re

import orjson

from actors.lib.lenient_json import Fields, load_json
from actors.lib.outcome import Outcome, read_outcome

_COMPLETED = re.compile(r"(?:TASK_COMPLETE|✅\ufe0f?\s*Task completed)[.!]?")
_BLOCKED = re.compile(r"(?:BLOCKED|human_intervention_needed)(?::.*|[.!]?)")
_EMPHASIS = re.compile(r"(\*\*|__|\*|_)(.+?)\1(.*)")
"""A line that begins with emphasis, which a model likes to give to its last words: ``**BLOCKED:** which database?``"""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_FENCED = re.compile(
    r"\s*(?P<fence>`{3,}|~{3,})[ \t]*(?:json)?[ \t]*\n(?P<inside>.*?)\n[ \t]*(?P=fence)\s*", re.DOTALL
)
_MOST_INDENTED = 3
"""A line that is indented further is code."""


def find_marker(text: str) -> Outcome | None:
    """Return the outcome that an answer states, if it states one; a marker's account or reason is the answer."""
    stated = _stated_as_json(text)
    if stated is not None:
        return stated
    line = _last_line(text)
    if _COMPLETED.fullmatch(line):
        return Outcome(summary=text)
    return Outcome(reason=text) if _BLOCKED.fullmatch(line) else None


def _stated_as_json(text: str) -> Outcome | None:
    fenced = _FENCED.fullmatch(text)
    try:
        content = load_json((fenced["inside"] if fenced else text).strip().encode(errors="replace"))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or "status" not in content:
        return None
    outcome = read_outcome(Fields(content))
    if outcome is not None and outcome.reason is None and not outcome.summary:
        return outcome._replace(summary=text)
    return outcome


def _last_line(text: str) -> str:
    """Return the last line that isn't blank, without emphasis; empty where it is code."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or _ends_in_code(lines):
        return ""
    line = lines[-1].rstrip().expandtabs(4)
    if len(line) - len(line.lstrip()) > _MOST_INDENTED:
        return ""
    line = line.strip()
    emphasised = _EMPHASIS.fullmatch(line)
    return emphasised[2] + emphasised[3] if emphasised else line


def _ends_in_code(lines: list[str]) -> bool:
    """Return whether the last line stands in a fence, which need not have an end."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if found is None:
            continue
        marks, rest = found[1], found[2].strip()
        if not fence:
            fence = marks
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not rest:
            fence = ""
    return bool(fence)
