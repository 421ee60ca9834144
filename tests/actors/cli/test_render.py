"""Tables that people can read, wherever they are shown."""

import io
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from actors.app.settings import Settings
from actors.cli import render
from actors.cli.app import app
from actors.cli.table import Listing

UUID = "de04c502-6537-47b6-8f60-43448ccee03e"


def shown(width: int) -> str:
    """A delivery as a terminal of this width shows it."""
    stream = io.StringIO()
    row = {
        "id": UUID, "agent": "architect-agent", "kind": "dependency_completed", "subtask_id": UUID,
        "state": "completed", "receipt": "lifecycle:completed", "reason": None, "attempts": 1,
        "queued_at": 1.0, "started_at": 2.0,
    }  # fmt: skip
    render.deliveries(Console(file=stream, width=width), [row], as_json=False)
    return stream.getvalue()


def test_a_narrow_terminal_shows_fewer_columns_and_each_of_them_whole() -> None:
    narrow, wide = shown(80), shown(200)
    assert narrow.count("\n") == wide.count("\n") == 2
    for word in ("de04c502", "architect-agent", "dependency_completed", "completed"):
        assert word in narrow
    assert "receipt" not in narrow
    assert all(word in wide for word in ("lifecycle:completed", "took", "1.00 s", "tries"))
    assert UUID not in wide


def test_even_where_there_is_no_room_something_is_shown() -> None:
    stream = io.StringIO()
    found = Listing("agent", "state")
    found.add_row("architect-agent", "completed")
    found.put(Console(file=stream, width=12))
    assert "arch" in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (UUID, "de04c502"),
        (UUID.replace("-", ""), "de04c502"),
        (f"waits for {UUID} (working)", "waits for de04c502 (working)"),
        ("A-1", "A-1"),
        (None, ""),
        ("f" * 64, "f" * 64),
    ],
)
def test_uuids_are_short(value: str | None, expected: str) -> None:
    assert render.shortener(value)(value) == expected


def test_a_time_of_another_day_has_its_date() -> None:
    now = datetime.now().astimezone().replace(hour=12, minute=0, second=5, microsecond=0)
    yesterday = now - timedelta(days=1)
    assert render.clock(now.timestamp()) == "12:00:05"
    assert render.clock(yesterday.timestamp()) == f"{yesterday:%Y-%m-%d} 12:00:05"
    assert render.clock(None) == ""


def test_a_reason_is_shown_whole() -> None:
    stream = io.StringIO()
    reason = "because " * 40 + "END"
    found: dict[str, Any] = {
        "coordinator": None, "paused": None, "backend": "", "counts": {}, "agents": [],
        "subtasks": [{"id": "B", "state": "blocked", "why": reason}],
    }  # fmt: skip
    render.status(Console(file=stream, width=80), found, as_json=False)
    assert "END" in stream.getvalue()


HARMFUL = "a\x1b[31mb\x07\x7f\x9b2J\u202ec\x00\rd"


def test_no_command_shows_anything_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    names = (
        "id", "agent", "kind", "subtask_id", "state", "receipt", "reason", "origin", "source", "subject", "text",
        "title", "why", "in_hand", "detail", "raw",
    )  # fmt: skip
    numbers = dict.fromkeys(
        ("attempts", "queued_at", "started_at", "size", "count", "number", "at", "since", "waiting"), 1
    )
    steps = dict.fromkeys(("written_at", "accepted_at", "started_at"), 1)
    row: dict[str, Any] = dict.fromkeys(names, HARMFUL) | numbers | steps
    row |= {"document": {"summary": HARMFUL}, "assignees": [HARMFUL]}
    found = {
        "coordinator": {"pid": 1, "url": HARMFUL, "answers": False}, "paused": {"since": 1, "reason": HARMFUL},
        "backend": HARMFUL, "counts": {HARMFUL: 1}, "agents": [row], "subtasks": [row],
    }  # fmt: skip
    stream = io.StringIO()
    for as_json in (False, True):
        console = Console(file=stream, width=10_000)
        render.status(console, found, as_json=as_json)
        for show in (render.events, render.deliveries, render.dead_letters, render.rejected):
            show(console, [row], as_json=as_json)
        render.whole(console, row, body="text", as_json=as_json)
    written = stream.getvalue() + capsys.readouterr().out
    assert written.count("[31mb") > 20
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", written)


def test_uuids_that_begin_with_the_same_time_are_cut_so_that_they_differ() -> None:
    # Given: ids as UUID version 7 makes them within a minute.
    first, second = "0190a5b2-6d1c-7000-8000-000000000001", "0190a5b2-6d1d-7000-8000-000000000002"
    short = render.shortener(first, f"waits for {second.upper()} (working)")
    assert [short(first), short(second)] == ["0190a5b2-6d1c", "0190a5b2-6d1d"]
    # And: those of a part that is no UUID's end stay whole, since the beginning would not stand for them.
    assert render.shortener()(f"{UUID}/7") == f"{UUID}/7"
    assert render.shortener()(f"{UUID}: no key") == "de04c502: no key"


def test_lines_for_other_programs_end_with_their_last_word() -> None:
    shorter = {"number": 1, "at": 1.0, "source": "agent", "kind": "a", "subject": None, "agent": None}
    longer = shorter | {"document": {"title": "a longer title"}}
    stream = io.StringIO()
    render.events(Console(file=stream, width=200), [shorter | {"document": {}}, longer], as_json=False)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("command", [*typer.main.get_command(app).commands, None])  # type: ignore[attr-defined]
def test_help_cuts_nothing_in_eighty_columns(command: str | None) -> None:
    done = CliRunner().invoke(app, [*([command] if command else []), "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    assert "…" not in done.output
    assert "..." not in done.output.replace("]...", "")
    assert max(map(len, done.output.splitlines())) <= 80
    if command == "run":
        assert all(f"--{name.replace('_', '-')}" in done.output for name in Settings.model_fields)
