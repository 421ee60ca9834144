"""Tools that claude was refused: what was refused, and the rule in the agent's prompt that allows it."""

import itertools
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from urllib.parse import urlsplit

from actors.lib.text import clean
from actors.protocol.sessions import Refusal

_SHOWN = 200
"""The most characters of an input that are shown."""
_MOST = 3
"""The most refusals that are described."""
_SUBCOMMAND = re.compile(r"[a-z][a-z-]*")
_ANYTHING = frozenset({"bash", "doas", "env", "eval", "exec", "nohup", "sh", "sudo", "xargs", "zsh"})
"""Programs that run any other: a rule for all that begins with one would allow everything."""
_SAFE = re.compile(r"[\w./:@ =+-]+")
"""Texts that a rule can hold as they stand."""


def describe_refusals(agent: str, refused: Iterable[Refusal]) -> str:
    """Return what claude was refused and what would allow it, for a person."""
    refusals = list(dict.fromkeys(refused))
    shown = [_shown(each) for each in refusals[:_MOST]]
    if more := len(refusals) - _MOST:
        shown += [f"{more} more"] if more > 0 else []
    rules = list(dict.fromkeys(rule for each in refusals[:_MOST] for rule in rules_for(each)))
    line = f"allowed_tools: {_yaml(', '.join(rules))}"
    return f"claude was refused {', '.join(shown)}; allow it with `{line}` in prompts/{agent}.md"


def rules_for(refusal: Refusal) -> Iterator[str]:
    """Yield the rules that would have allowed this, no wider than it takes to allow its like."""
    tool, given = refusal.tool, refusal.input
    match tool:
        case "Bash" if given:
            yield from _bash(given)
        case "Edit" | "MultiEdit" | "NotebookEdit" | "Write" if given.startswith("/"):
            yield f"Edit(/{PurePath(given).parent}/**)"
        case "Glob" | "Grep" | "Read" if given.startswith("/"):
            yield f"Read(/{PurePath(given).parent}/**)"
        case "WebFetch" if host := urlsplit(given).hostname:
            yield f"WebFetch(domain:{host})"
        case _:
            yield tool


def _bash(line: str) -> Iterator[str]:
    """Yield a rule for each command of a line, or the tool itself where none can hold it."""
    words = shlex.shlex(line.replace("\n", " ; "), posix=True, punctuation_chars=True)
    words.commenters = ""
    try:
        commands = list(_commands(words))
    except ValueError:
        commands = []
    patterns = [_pattern(command) for command in commands]
    if not patterns or None in patterns:
        yield "Bash"
    else:
        yield from (f"Bash({pattern})" for pattern in patterns)


def _commands(words: Iterable[str]) -> Iterator[list[str]]:
    for is_between, part in itertools.groupby(words, lambda word: not word.strip(";&|")):
        if not is_between:
            yield list(part)


def _pattern(words: list[str]) -> str | None:
    """Return a rule's pattern for a command and its like; None if there is none that is safe."""
    kept = words[:2] if len(words) > 1 and _SUBCOMMAND.fullmatch(words[1]) else words[:1]
    whole, beginning = " ".join(words), " ".join(kept)
    if words[0] in _ANYTHING:
        return whole if _SAFE.fullmatch(whole) and shlex.join(words) == whole else None
    is_plain = _SAFE.fullmatch(beginning) and "=" not in beginning and not {"(", ")", "`", "$"} & {*whole}
    return f"{beginning}:*" if is_plain else None


def _shown(refusal: Refusal) -> str:
    given = clean(refusal.input).replace("\n", " ⏎ ").replace("`", "'")
    cut = given if len(given) <= _SHOWN else given[:_SHOWN] + "…"
    return f"{clean(refusal.tool)}: `{cut}`" if cut else clean(refusal.tool)


def _yaml(text: str) -> str:
    """Quote a value that YAML would read as something else."""
    is_plain = not re.search(r": |:$| #", text) and re.match(r"\w", text)
    return text if is_plain else json.dumps(text)
