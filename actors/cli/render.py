"""Tables and lines for people, and JSON for programs."""

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from actors.cli.table import UNWRAPPED, Listing
from actors.journal.reader import Row
from actors.lib.text import clean
from actors.protocol.claude import TESTED
from actors.protocol.deliveries import CONTEXT_FILE, RESULT_FILE

_UUID = re.compile(
    r"\b[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}\b(?![-./:@#]\w)",  # what follows it would be lost
    re.IGNORECASE,
)
_LENGTHS = (8, 12, 16, 20, 32)
"""The digits that a UUID may be cut to."""

IN_WORDS = {CONTEXT_FILE: "(the file with the whole of it)", RESULT_FILE: "(the subtask's result file)"}
"""The tokens in contexts, for people."""
_TOKEN = re.compile("|".join(map(re.escape, IN_WORDS)))

COLOURS = {
    "completed": "green",
    "working": "cyan",
    "ready": "cyan",
    "blocked": "red",
    "unfinished": "red",
    "dead": "red",
    "crashed": "red",
    "rate_limited": "yellow",
}


def open_console() -> Console:
    """Open standard output. Tables are as wide as the terminal; without one, as wide as they need."""
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if has_width else UNWRAPPED)


console = open_console()


def text(value: object) -> str:
    """Return a value as a cell: on one line, without control characters."""
    if value is None:
        return ""
    return escape(clean(str(value)).replace("\n", " ⏎ "))


def shortener(*values: object) -> Callable[[object], str]:
    """Return a function that makes cells in which UUIDs are cut, so that those in the values still differ.

    Commands accept what is left as ids. Eight digits are mostly enough, but UUIDs that begin with the time share them.
    """
    found = {match[0].lower() for value in values for match in _UUID.finditer(str(value))}
    digits = next((each for each in _LENGTHS if len({_cut(uuid, each) for uuid in found}) == len(found)), 32)
    return lambda value: _UUID.sub(lambda match: _cut(match[0], digits), text(value))


def _cut(uuid: str, digits: int) -> str:
    dashes = min(digits // 4 - 2, uuid.count("-"))
    return uuid[: digits + dashes]


def state(value: str) -> str:
    """Return a state in its colour."""
    colour = COLOURS.get(value)
    return f"[{colour}]{text(value)}[/]" if colour else text(value)


def clock(at: float | None) -> str:
    """Return a local time, with its date unless that is today."""
    if not at:
        return ""
    when = datetime.fromtimestamp(at).astimezone()
    is_today = when.date() == datetime.now().astimezone().date()
    return when.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def status(console: Console, found: dict[str, Any], *, as_json: bool) -> None:
    """Print the status: the coordinator, the backend, the agents and the subtasks."""
    if as_json:
        print_json(found)
        return
    running = found["coordinator"]
    where = text(f"runs (pid {running['pid']}, {running['url']})") if running else "does not run"
    console.print(f"Coordinator: {where}")
    if running and not running["answers"]:
        console.print("             [red]It doesn't answer.[/] The following is from the journal.")
    if paused := found["paused"]:
        since, reason = clock(paused["since"]), text(paused["reason"])
        console.print(
            f"Paused:      [red]the journal can't be written since {since} ({reason})[/]. Nothing is lost;"
        )
        console.print("             the coordinator continues when there is room.")
    console.print(f"Backend:     {text(found['backend'])}")
    if claude := found.get("claude"):
        note = "" if claude["tested"] else f" [yellow](not tested: {TESTED} is)[/]"
        console.print(f"Claude:      {text(claude['version'])}{note}")
    counts = ", ".join(f"{name}: {count}" for name, count in found["counts"].items())
    console.print(Padding(text(counts), (0, 0, 0, 13), expand=False))
    short = shortener(
        *(row["in_hand"] for row in found["agents"]),
        *(value for node in found["subtasks"] for value in (node["id"], node["why"])),
    )
    agents = Listing("agent", "state", "in hand", "waiting", "since", "detail")
    for row in found["agents"]:
        agents.add_row(
            text(row["agent"]), state(row["state"]), short(row["in_hand"]), str(row["waiting"]), clock(row["since"]),
            text(row["detail"]),
        )  # fmt: skip
    agents.put(console)
    subtasks = Listing("subtask", "title", "agent", "state", "why")
    for node in found["subtasks"]:
        subtasks.add_row(
            short(node["id"]), text(node.get("title"))[:60], text(", ".join(node.get("assignees") or ())),
            state(node["state"]), short(node["why"]),
        )  # fmt: skip
    subtasks.put(console)


def events(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """Print the history."""
    if as_json:
        for row in rows:
            print_json(row, indent=None)
        return
    short = shortener(*(row["subject"] for row in rows))
    found = Listing("#", "at", "from", "event", "subject", "agent", "what")
    for row in rows:
        found.add_row(
            str(row["number"]), clock(row["at"]), text(row["source"]), text(row["kind"]), short(row["subject"]),
            text(row["agent"]), text(gist(row["document"]))[:100],
        )  # fmt: skip
    found.put(console)


def deliveries(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """Print deliveries with their receipts."""
    if as_json:
        for row in rows:
            print_json(row, indent=None)
        return
    short = shortener(*((row["id"], row["subtask_id"]) for row in rows))
    found = Listing("delivery", "agent", "what", "subtask", "state", "receipt", "tries", "queued", "took")
    for row in rows:
        took = f"{row['started_at'] - row['queued_at']:.2f} s" if row["started_at"] else ""
        found.add_row(
            short(row["id"]), text(row["agent"]), text(row["kind"]), short(row["subtask_id"]), state(row["state"]),
            text(row["receipt"] or row["reason"])[:60], str(row["attempts"]), clock(row["queued_at"]), took,
        )  # fmt: skip
    found.put(console)


def dead_letters(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """Print dead letters, with the reason, attempts and receipts of each."""
    if as_json:
        deliveries(console, rows, as_json=True)
        return
    short = shortener(*((row["id"], row["subtask_id"]) for row in rows))
    found = Listing("delivery", "agent", "what", "subtask", "tries", "receipts", "reason")
    for row in rows:
        receipts = ", ".join(step for step in ("written", "accepted", "started") if row[f"{step}_at"])
        found.add_row(
            short(row["id"]), text(row["agent"]), text(row["kind"]), short(row["subtask_id"]),
            str(row["attempts"]), receipts or "none", text(row["reason"])[:200],
        )  # fmt: skip
    found.put(console)


def rejected(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """Print rejected input."""
    if as_json:
        for row in rows:
            print_json(row, indent=None)
        return
    found = Listing("number", "at", "from", "bytes", "times", "reason")
    for row in rows:
        found.add_row(
            str(row["number"]), clock(row["at"]), text(row["origin"]), str(row["size"]), str(row["count"]),
            text(row["reason"])[:200],
        )  # fmt: skip
    found.put(console)


def whole(console: Console, row: Row, *, body: str, as_json: bool) -> None:
    """Print one row in full: a line for each field, then the text of the field ``body``."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if name == "at" or name.endswith("_at"):
            console.print(f"{name:<12} {clock(value)}")
        elif name != body:
            console.print(f"{name:<12} {text(value)}", highlight=False)
    console.print()
    console.print(escape(clean(row[body])), highlight=False)


def without_tokens(context: str) -> str:
    """Return a context with words in place of the tokens that its session would fill in; quotations stay."""
    lines = context.split("\n")
    return "\n".join(line if line.startswith("> ") else _TOKEN.sub(_words, line) for line in lines)


def _words(token: re.Match[str]) -> str:
    return IN_WORDS[token[0]]


def gist(document: dict[str, Any]) -> str:
    """Return the most informative text of an event."""
    for name in ("summary", "reason", "text", "title", "detail", "topic"):
        if document.get(name):
            return str(document[name])
    return ""


def print_json(value: object, indent: int | None = 2) -> None:
    """Print JSON on standard output, in ASCII so that the terminal obeys nothing in it."""
    words = json.dumps(value, indent=indent, default=str).replace("\x7f", "\\u007f")
    print(words)  # noqa: T201 - the command's output
