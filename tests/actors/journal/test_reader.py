"""Queries of a journal, also of a damaged or missing one."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.journal.journal import Journal
from actors.journal.reader import JournalReader, NoJournal
from actors.lib.errors import ConfigurationError, CoordinatorError, NotFound
from actors.protocol.backend import Publish
from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.workdir import prepare
from tests.e2e.program import closed_environment, main

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Create a journal with three deliveries, an event and a publication."""
    path = prepare(tmp_path / "work").journal
    journal = Journal(path)
    journal.agents.add("coder", "session", 1.0)
    for name in ("abc", "abd", "ab"):
        delivery = Delivery(
            id=name, agent="coder", kind=DeliveryKind.MESSAGE, subtask_id=None, text=f"To {name}"
        )
        journal.deliveries.add(delivery, 1.0)
    journal.outbox.add(Publish(key="k", event_type="agent.blocked", payload={}))
    journal.commit()
    journal.execute("INSERT INTO nodes (id, status, document) VALUES ('A', 'open', '{}')")
    journal.commit()
    journal.close()
    return path


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def tear(path: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def complaint(
    path: Path, question: Callable[[JournalReader], Any], kind: type[CoordinatorError] = ConfigurationError
) -> str:
    """Return the error message of a query."""
    with pytest.raises(kind) as caught, closing(JournalReader(path)) as reader:
        question(reader)
    return str(caught.value)


QUESTIONS: dict[str, tuple[str, Callable[[JournalReader], Any]]] = {
    "status": ("nodes", lambda reader: reader.nodes(closed=True, limit=10)),
    "counts": ("rejected", lambda reader: reader.counts()),
    "agents": ("agents", lambda reader: reader.agents()),
    "history": ("events", lambda reader: reader.events()),
    "deliveries": ("deliveries", lambda reader: reader.deliveries()),
    "rejected": ("rejected", lambda reader: reader.rejected()),
    "backend": ("meta", lambda reader: reader.backend()),
}


@pytest.mark.parametrize(("table", "question"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_damaged_journal_is_called_so(
    path: Path, table: str, question: Callable[[JournalReader], Any]
) -> None:
    tear(path, table)
    told = complaint(path, question)
    assert told.startswith(f"{path} is damaged (")
    assert "the next start of the coordinator sets it aside" in told


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nodes SET document = '{'",
        "UPDATE nodes SET document = '7'",
        "UPDATE nodes SET document = cast(x'fffe' AS text)",
    ],
)
def test_so_is_one_with_a_text_that_is_none(path: Path, statement: str) -> None:
    change(path, statement)
    assert "is damaged" in complaint(path, lambda reader: reader.node("A"))


def test_one_that_can_not_be_read_now_is_not_called_damaged(path: Path) -> None:
    change(path, "DROP TABLE events")
    told = complaint(path, lambda reader: reader.events())
    assert told == f"{path} can't be read: no such table: events"


@pytest.mark.usefixtures("programs")
def test_the_command_line_says_so_too(tmp_path: Path, path: Path) -> None:
    environment = closed_environment(tmp_path)
    tear(path, "rejected")
    done = main(environment, "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{path} is damaged (")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", ["absent", "empty"])
def test_where_there_is_none_that_is_said(tmp_path: Path, how: str) -> None:
    path = tmp_path / "journal.db"
    if how == "empty":
        path.touch()
    with pytest.raises(NoJournal, match=re.escape(f"There is no journal {path}.")):
        JournalReader(path)


def test_a_delivery_is_found_by_the_beginning_of_its_id(path: Path) -> None:
    reader = JournalReader(path)
    assert reader.delivery("abc")["text"] == "To abc"
    assert reader.delivery("ab")["text"] == "To ab"  # named whole, though others begin so too
    reader.close()


@pytest.mark.parametrize(
    ("beginning", "told"),
    [
        ("", "Which delivery? Give its id, or the beginning of it."),
        ("x", "There is no delivery whose id begins with 'x'."),
        (
            "a",
            "'a' may mean more than one; give more of the id:\n  delivery ab\n  delivery abc\n  delivery abd",
        ),
    ],
)
def test_one_that_is_not_clearly_meant_is_asked_for(path: Path, beginning: str, told: str) -> None:
    assert complaint(path, lambda reader: reader.delivery(beginning), NotFound) == told


def test_nothing_is_meant_by_nothing_even_where_there_is_one_only(path: Path) -> None:
    change(path, "DELETE FROM deliveries WHERE id != 'abc'")
    assert complaint(path, lambda reader: reader.delivery(""), NotFound).startswith("Which delivery?")


def test_refused_publications_are_counted(path: Path) -> None:
    change(path, "UPDATE publications SET state = 'refused'")
    reader = JournalReader(path)
    counts = reader.counts()
    reader.close()
    assert (counts["publications refused"], counts["publications waiting"]) == (1, 0)


def test_what_was_rejected_is_found_by_its_number_only(path: Path) -> None:
    change(path, "INSERT INTO rejected VALUES (1, 1.0, 'backend', 'no JSON', 1, x'7bff')")
    with closing(JournalReader(path)) as reader:
        assert reader.rejection(1)["raw"] == "{\ufffd"
    assert complaint(path, lambda reader: reader.rejection(2), NotFound) == (
        "There is no rejected input with the number 2."
    )
