"""Tables and lines for people, and JSON for programs."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from actors.router.context import clean
from actors.router.reader import JournalReader, Row

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


def text(value: object) -> str:
    """Any value as a cell: on one line, and without anything that a terminal obeys."""
    if value is None:
        return ""
    return escape(clean(str(value)).replace("\n", " ⏎ "))


def state(value: str) -> str:
    """A state in its colour."""
    colour = COLOURS.get(value)
    return f"[{colour}]{text(value)}[/]" if colour else text(value)


def clock(at: float | None) -> str:
    """A time of day, local."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S") if at else ""


def with_waits(reader: JournalReader, nodes: Iterable[Row]) -> list[Row]:
    """Say of each subtask what it waits for."""
    found = []
    for node in nodes:
        waits = []
        if node["state"] == "waiting":
            for upstream_id in node.get("upstreams", ()):
                upstream = reader.node(upstream_id)
                if upstream is None or upstream["state"] != "completed":
                    waits.append(f"{upstream_id} ({upstream['state'] if upstream else 'unknown'})")
        if node["state"] == "ready" and not node.get("assignees"):
            node["reason"] = (
                "nobody is assigned" if node.get("entity") != "task" else "waits for its subtasks"
            )
        found.append(node | {"waits_for": waits})
    return found


def status(console: Console, found: dict[str, Any], *, as_json: bool) -> None:
    """All that ``status`` shows."""
    if as_json:
        print_json(found)
        return
    running = found["coordinator"]
    where = f"runs (pid {running['pid']}, {running['url']})" if running else "does not run"
    console.print(f"Coordinator: {where}")
    console.print(f"Backend:     {text(found['backend'])}")
    console.print("             " + ", ".join(f"{name}: {count}" for name, count in found["counts"].items()))
    agents = table("agent", "state", "in hand", "waiting", "since", "detail")
    for row in found["agents"]:
        now = state(row["state"] if running else "stopped")
        agents.add_row(
            text(row["agent"]), now, text(row["in_hand"]), str(row["waiting"]), clock(row["since"]),
            text(row["detail"])[:120],
        )  # fmt: skip
    console.print(agents)
    subtasks = table("subtask", "title", "agent", "state", "why")
    for node in found["subtasks"]:
        why = node.get("reason") or ("waits for " + ", ".join(node["waits_for"]) if node["waits_for"] else "")
        subtasks.add_row(
            text(node["id"]), text(node.get("title"))[:60], text(", ".join(node.get("assignees") or ())),
            state(node["state"]), text(why)[:200],
        )  # fmt: skip
    console.print(subtasks)


def events(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """The history."""
    if as_json:
        for row in rows:
            print_json(row, indent=None)
        return
    found = table("#", "at", "from", "event", "subject", "agent", "what")
    for row in rows:
        found.add_row(
            str(row["number"]), clock(row["at"]), row["source"], text(row["kind"]), text(row["subject"]),
            text(row["agent"]), text(gist(row["document"]))[:100],
        )  # fmt: skip
    console.print(found)


def deliveries(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """Deliveries with their receipts."""
    if as_json:
        for row in rows:
            print_json(row, indent=None)
        return
    found = table("delivery", "agent", "what", "subtask", "state", "receipt", "tries", "queued", "took")
    for row in rows:
        took = f"{row['started_at'] - row['queued_at']:.2f} s" if row["started_at"] else ""
        found.add_row(
            text(row["id"])[:8], text(row["agent"]), text(row["kind"]), text(row["subtask_id"]), state(row["state"]),
            text(row["receipt"] or row["reason"])[:60], str(row["attempts"]), clock(row["queued_at"]), took,
        )  # fmt: skip
    console.print(found)


def dead_letters(console: Console, rows: list[Row], *, as_json: bool) -> None:
    """Deliveries that died, each with its reason, its attempts and the receipts that it had."""
    if as_json:
        deliveries(console, rows, as_json=True)
        return
    found = table("delivery", "agent", "what", "subtask", "tries", "receipts", "reason")
    for row in rows:
        receipts = ", ".join(step for step in ("written", "accepted", "started") if row[f"{step}_at"])
        found.add_row(
            text(row["id"])[:8], text(row["agent"]), text(row["kind"]), text(row["subtask_id"]),
            str(row["attempts"]), receipts or "none", text(row["reason"])[:200],
        )  # fmt: skip
    console.print(found)


def delivery(console: Console, row: Row, *, as_json: bool) -> None:
    """One delivery, whole."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if name.endswith("_at"):
            console.print(f"{name:<12} {clock(value)}")
        elif name != "text":
            console.print(f"{name:<12} {text(value)}")
    console.print()
    console.print(escape(clean(row["text"])))


def gist(document: dict[str, Any]) -> str:
    """The most telling value of an event."""
    for name in ("summary", "reason", "text", "title", "detail", "topic"):
        if document.get(name):
            return str(document[name])
    return ""


def table(*columns: str) -> Table:
    """A table with these columns."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        found.add_column(column, overflow="fold", no_wrap=column in ("agent", "state"))
    return found


def print_json(value: object, indent: int | None = 2) -> None:
    """JSON on standard output, pure ASCII, so that no text in it can reach the terminal."""
    print(json.dumps(value, indent=indent, default=str))  # noqa: T201 - this is what was asked for
