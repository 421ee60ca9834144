"""The journal: durable, ours alone, and mended where it is damaged."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from actors.router.journal import VERSION, Journal, JournalError
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
    """A journal that was not closed in order."""
    office = Office(tmp_path, on_disk=True)
    for number in range(size):
        office.create(f"S{number}", "coder", details="x" * 2000)
    office.close()
    return tmp_path / "journal.db"


@pytest.mark.expected_errors("journal_damaged")
@pytest.mark.parametrize("damage", ["header", "middle", "cut", "garbage"])
def test_a_damaged_one_is_set_aside_and_what_can_be_read_is_kept(tmp_path: Path, damage: str) -> None:
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
    salvaged = office.parts.journal.salvaged
    assert salvaged is not None
    assert salvaged.aside.stat().st_size == size_left
    assert office.history()["journal.damaged"] == 1
    if damage == "middle":
        assert salvaged.kept["nodes"] > 0
        assert salvaged.kept["events"] > 50
    # It works again, and asks the backend for everything
    assert office.parts.journal.get("cursor") is None
    office.up("coder")
    office.create("after", "coder")
    assert office.node("after").state == "ready"
    office.close()


def test_a_sound_one_is_not_touched_however_it_was_left(tmp_path: Path) -> None:
    filled(tmp_path)
    office = Office(tmp_path, on_disk=True)
    assert office.parts.journal.salvaged is None
    assert len(office.parts.graph.open) == 300
    office.parts.journal.close(in_order=True)
    again = Office(tmp_path, on_disk=True)
    assert again.parts.journal.salvaged is None
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
