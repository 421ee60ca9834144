"""The journal: durable, private, and salvaged when it is damaged."""

import os
import re
import sqlite3
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest

from actors.journal import opening
from actors.journal.journal import PAGE, Journal
from actors.journal.migrations import VERSION
from actors.journal.opening import JournalError
from tests.actors.router.office import Office


def test_it_is_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.put("a", "b")
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    journal.close()
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm"), 0o600)


def test_a_commit_survives_and_what_is_not_committed_does_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    assert journal.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    journal.put("kept", "1")
    journal.commit()
    journal.put("lost", "1")
    journal.close()
    again = Journal(path)
    assert (again.get("kept"), again.get("lost")) == ("1", None)
    again.close()


def test_one_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version={VERSION + 1}")
    database.close()
    with pytest.raises(JournalError, match=f"version {VERSION + 1}"):
        Journal(path)
    assert path.exists()


def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "journal.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Journal(tmp_path / "journal.db")


def filled(tmp_path: Path, size: int = 300) -> Path:
    """Create a journal that was not closed in order."""
    office = Office(tmp_path, on_disk=True)
    for number in range(size):
        office.create(f"S{number}", "coder", details="x" * 2000)
    office.close()
    return tmp_path / "journal.db"


@pytest.mark.expected_errors("journal_damaged")
@pytest.mark.parametrize("damage", ["header", "middle", "cut", "garbage"])
def test_a_damaged_one_is_set_aside_and_what_can_be_read_is_kept(
    tmp_path: Path, damage: str, logged_errors: list[object]
) -> None:
    path = filled(tmp_path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 2)
        elif damage == "garbage":
            file.write(os.urandom(size))
        else:
            file.seek(0 if damage == "header" else size // 2)
            file.write(b"\xff" * 40_000)
    size_left = path.stat().st_size
    office = Office(tmp_path, on_disk=True)
    (aside,) = (each for each in tmp_path.glob("journal.damaged-*.db"))
    assert aside.stat().st_size == size_left
    assert office.history()["journal.damaged"] == 1
    detail = notes(office, "journal.damaged")[0][1]
    assert f"set aside as {aside.name}" in detail
    # What people are told in the log is the same
    (told,) = (record.fields["detail"] for record in logged_errors)  # type: ignore[attr-defined]
    assert told.startswith(detail)
    if damage == "middle":
        kept = re.search(r"kept (\d+) events, (\d+) tasks and subtasks", detail)
        assert kept is not None
        assert int(kept[1]) > 50
        assert int(kept[2]) > 0
    # It works again, and asks the backend for everything
    assert office.parts.journal.get("cursor") is None
    office.up("coder")
    office.create("after", "coder")
    assert office.node("after").state == "ready"
    office.close()


def test_a_sound_one_is_not_touched_however_it_was_left(tmp_path: Path) -> None:
    filled(tmp_path)
    office = Office(tmp_path, on_disk=True)
    assert office.parts.journal.loss is None
    assert len(office.parts.graph.open) == 300
    office.parts.journal.close(in_order=True)
    again = Office(tmp_path, on_disk=True)
    assert again.parts.journal.loss is None
    again.close()


def spoil(path: Path, table: str = "knowledge") -> None:
    """Overwrite a whole table; by default an empty one."""
    with sqlite3.connect(path) as database:
        ((page, size),) = database.execute(
            "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = ?", (table,)
        )
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def notes(office: Office, kind: str) -> list[tuple[int, str]]:
    """Return the number and detail of each event of this kind."""
    rows = office.parts.journal.events.after(0, 100_000)
    return [(row[0], orjson.loads(row[6])["detail"]) for row in rows if row[3] == kind]


def numbers(office: Office) -> list[int]:
    return [row[0] for row in office.parts.journal.events.after(0, 100_000)]


@pytest.mark.expected_errors("journal_damaged")
@pytest.mark.parametrize("damage", ["all", "the last events"])
def test_no_number_that_was_exported_is_given_to_another_event(tmp_path: Path, damage: str) -> None:
    # Given a history file that shows more than can be read of the journal
    path = filled(tmp_path)
    exported = 300
    if damage == "all":
        path.write_bytes(b"x" * path.stat().st_size)
        kept = 0
    else:
        with sqlite3.connect(path) as database:
            database.execute("DELETE FROM events WHERE number > 290")
        database.close()
        spoil(path)
        kept = 290
    # When another journal is begun
    office = Office(tmp_path, on_disk=True, last_exported=lambda: exported)
    office.create("after", "coder")
    office.close()
    # Then what is new comes behind all that was exported, and behind what may be on its way there
    office = Office(tmp_path, on_disk=True, last_exported=lambda: exported)
    found = numbers(office)
    assert found[:kept] == list(range(1, kept + 1))
    assert found[kept] == exported + PAGE + 1
    assert [number for number, _ in notes(office, "journal.damaged")] == [found[kept]]
    assert found[kept:] == list(range(found[kept], found[kept] + len(found) - kept))
    office.close()


@pytest.mark.expected_errors("journal_damaged")
def test_what_was_lost_is_told_even_if_whoever_found_out_is_killed_before_it_told(tmp_path: Path) -> None:
    path = filled(tmp_path, 3)
    spoil(path)
    Journal(path).close()  # salvaged, and never committed
    office = Office(tmp_path, on_disk=True)
    ((_, detail),) = notes(office, "journal.damaged")
    assert "kept 3 events, 3 tasks and subtasks, 3 deliveries, 1 agents" in detail
    office.restart()
    assert len(notes(office, "journal.damaged")) == 1
    office.close()


@pytest.mark.expected_errors("journal_damaged")
def test_what_can_be_read_is_not_given_up_because_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path, 30)
    spoil(path)
    real = opening.begin

    def begin_on_a_full_disk(path: Path, *, look: bool = True) -> sqlite3.Connection:
        database = real(path, look=look)
        database.execute("PRAGMA max_page_count=30")
        return database

    # When the disk is too full for all that can be read
    with monkeypatch.context() as full:
        full.setattr(opening, "begin", begin_on_a_full_disk)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            Journal(path)
    # Then nothing is lost by that
    office = Office(tmp_path, on_disk=True)
    ((_, detail),) = notes(office, "journal.damaged")
    assert "kept 30 events, 30 tasks and subtasks" in detail
    office.close()


@pytest.mark.parametrize("how", ["removed", "emptied", "older"])
def test_one_that_ends_before_the_history_file_goes_on_behind_that(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a work directory whose history file is longer than its journal
    path = filled(tmp_path, 3)
    kept = 3 if how == "older" else 0
    if how == "removed":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    # When it is used again
    office = Office(tmp_path, on_disk=True, last_exported=lambda: 500)
    office.create("after", "coder")
    # Then people are told, and nothing new has an old number
    ((number, detail),) = notes(office, "journal.lost")
    assert number == numbers(office)[kept] == 500 + PAGE + 1
    assert f"it ends with event {kept}, but the history file ends with event 500" in detail
    assert "journal_lost" in caplog.text
    assert office.parts.journal.get("cursor") is None
    # And they are told once
    office.restart()
    assert len(notes(office, "journal.lost")) == 1
    office.close()


@pytest.mark.expected_errors("journal_damaged")
def test_an_emptied_one_with_changes_beside_it_is_set_aside_with_them(tmp_path: Path) -> None:
    office = Office(tmp_path, on_disk=True)
    office.create("S", "coder")
    changes = (tmp_path / "journal.db-wal").read_bytes()
    office.close()
    (tmp_path / "journal.db").write_bytes(b"")
    (tmp_path / "journal.db-wal").write_bytes(changes)
    again = Office(tmp_path, on_disk=True)
    ((_, detail),) = notes(again, "journal.damaged")
    assert "kept nothing" in detail
    (kept,) = tmp_path.glob("journal.damaged-*.db-wal")
    assert kept.read_bytes() == changes
    again.close()


def test_a_clock_that_jumps_changes_nothing_but_the_times(office: Office) -> None:
    office.up("a", "b")
    office.create("A", "a")
    office.create("B", "b", "A")
    office.now -= 100_000_000
    office.report("a", "early")
    office.now += 200_000_000
    assert office.kinds("b") == ["dependency_completed B"]
    office.report("b")
    assert office.node("B").state == "completed"


def told_again(office: Office, size: int) -> None:
    """Resend all events of the backend, under the same keys."""
    for number in range(size):
        upstreams = [f"S{number - 1}"] if number % 3 == 2 else []
        office.create(
            f"S{number}", "coder", *upstreams, key=f"key-{number}", seq=number + 1, title=f"T{number}"
        )
    office.update("S1", title="changed", key="key-changed", seq=size + 1)


@pytest.mark.expected_errors("journal_damaged")
@pytest.mark.parametrize("is_repeated", [True, False])
@pytest.mark.parametrize(
    "table", ["nodes", "edges", "deliveries", "agents", "events", "publications", "meta", "deliveries_open"]
)
def test_whichever_table_is_lost_the_work_goes_on_to_its_end(
    tmp_path: Path,
    table: str,
    is_repeated: bool,  # noqa: FBT001
) -> None:
    # Given work that is done, in hand, waiting for its agent, and waiting for other work
    size = 9
    office = Office(tmp_path, on_disk=True)
    told_again(office, size)
    office.up("coder")
    office.report("coder", "the first")
    office.end_turn("coder")
    office.close()
    spoil(tmp_path / "journal.db", table)
    # When it goes on with what can be read, with or without a backend that repeats its events
    office = Office(tmp_path, on_disk=True)
    assert len(notes(office, "journal.damaged")) == 1
    if is_repeated or table == "events":
        told_again(office, size)
    office.up("coder")
    for _ in range(2 * size):
        if office.parts.lanes.by_agent["coder"].in_hand:
            office.report("coder", "done")
            office.end_turn("coder")
    # Then all of it gets done, as it was asked for
    states = {number: office.node(f"S{number}").state for number in range(size)}
    assert states == dict.fromkeys(range(size), "completed")
    assert office.node("S1").title == "changed"
    published = office.parts.journal.execute("SELECT payload ->> 'id' FROM publications").fetchall()
    assert {node_id for (node_id,) in published} == {f"S{number}" for number in range(size)}
    office.close()


@pytest.mark.expected_errors("journal_damaged")
@pytest.mark.parametrize("garbage", [b"\0" * 12, b"\xff\xfe" * 6])
@pytest.mark.parametrize("mark", [b"Title of S", b"a text that is told"])
def test_a_text_that_was_overwritten_is_damage_too(tmp_path: Path, garbage: bytes, mark: bytes) -> None:
    office = Office(tmp_path, on_disk=True)
    office.create("S", "coder")
    office.message("coder", "a text that is told")
    office.close()
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = path.read_bytes()
    assert mark in content
    path.write_bytes(content.replace(mark, (garbage * 2)[: len(mark)]))
    again = Office(tmp_path, on_disk=True)
    assert len(notes(again, "journal.damaged")) == 1
    again.create("after", "coder")
    assert again.node("after").state == "ready"
    again.close()


@pytest.mark.expected_errors("journal_removed")
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_one_that_is_taken_away_while_it_is_in_use_is_put_back(tmp_path: Path, how: str) -> None:
    (tmp_path / "other").mkdir()
    path = filled(tmp_path / "other", 2) if how == "replaced" else None
    office = Office(tmp_path, on_disk=True)
    office.create("before", "coder")
    for each in tmp_path.glob("journal.db*"):
        each.unlink()
    if path is not None:
        path.rename(tmp_path / "journal.db")
    office.create("after", "coder")
    office.create("later", "coder")
    # Then what comes next is on the disk, and there after a crash as well
    with sqlite3.connect(tmp_path / "journal.db") as database:
        assert database.execute("SELECT count(*) FROM nodes").fetchone() == (3,)
    database.close()
    office.restart()
    assert office.parts.journal.loss is None
    assert {node.id for node in office.parts.graph.open.values()} == {"before", "after", "later"}
    assert len(list(tmp_path.glob("journal.other-*.db"))) == (how == "replaced")
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600
    office.close()


def test_a_want_of_descriptors_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path, 3)

    class Busy(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if "integrity_check" in statement:
                error = sqlite3.OperationalError("unable to open database file")
                error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
                raise error
            return super().execute(statement, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **more, factory=Busy))
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        Journal(path)
    assert list(tmp_path.glob("journal.damaged*")) == []
