"""Migrations of an older journal, during which nothing is lost, whenever it is killed.

``fixtures/version_1.db`` was written by the last code that wrote version 1, and so on; ``make.txt`` is how.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.journal import conditions
from actors.journal.journal import Journal
from actors.journal.migrations import MIGRATIONS, VERSION
from actors.journal.opening import SCHEMA
from actors.journal.reader import JournalReader
from actors.lib.failpoints import VARIABLE
from actors.protocol.deliveries import DeliveryState
from tests.actors.journal.test_journal import notes, spoil
from tests.actors.router.office import Office
from tests.claude import ROOT

FIXTURES = Path(__file__).with_name("fixtures")
TABLES = ("meta", "events", "rejected", "nodes", "edges", "deliveries", "publications", "agents", "knowledge")
DUE = {
    "architect": ["task_ready long"],
    "coder": ["message"] * 4,
    "sleeper": ["message", "message"],
    "tester": [],
}
"""The deliveries that the fixture's agents are due when their sessions are up: outstanding ones, then waiting ones."""


@pytest.fixture(params=[1, 2])
def old(request: pytest.FixtureRequest) -> int:
    """Take each older version in turn."""
    return int(request.param)


@pytest.fixture
def path(tmp_path: Path, old: int) -> Path:
    """Copy the journal of that version, which was not closed in order."""
    return Path(shutil.copyfile(FIXTURES / f"version_{old}.db", tmp_path / "journal.db"))


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


def version(path: Path) -> int:
    return int(rows(path, "PRAGMA user_version")[0][0])


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows, as in a journal of the newest version."""
    found = {table: rows(path, f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}  # noqa: S608 - names
    if version(path) <= 2:
        found["agents"] = [(*row, 0.0) for row in found["agents"]]
    if version(path) == 1:
        at = [row[1] for row in rows(path, "PRAGMA table_info(deliveries)")].index
        found["deliveries"] = [
            (*("withdrawn" if (place, value, row[at("handed_at")]) == (at("state"), "dead", None) else value
               for place, value in enumerate(row)), "")
            for row in found["deliveries"]
        ]  # fmt: skip
    return found


def layout(path: Path) -> list[tuple[Any, ...]]:
    """Return its tables with their columns, and its indexes, independent of how they were created."""
    found = rows(path, "SELECT type, name, tbl_name, CASE type WHEN 'index' THEN sql END FROM sqlite_master")
    plain = [(*row[:3], re.sub(r"\s+|IF NOT EXISTS", "", row[3] or "")) for row in found]
    columns = [
        ("column", table, *column)
        for (table,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for column in rows(path, f"PRAGMA table_info({table})")
    ]
    return sorted(plain) + columns


def dead_letters(path: Path) -> Counter[str]:
    """Count the dead letters that people see, by text."""
    with closing(JournalReader(path)) as reader:
        return Counter(
            str(reader.delivery(row["id"])["text"]).rpartition("> ")[2] for row in reader.dead_letters()
        )


def test_the_fixture_holds_what_is_to_be_kept(path: Path, old: int) -> None:
    assert version(path) == old
    states = {state for (state,) in rows(path, "SELECT state FROM deliveries")}
    assert states == {state.value for state in DeliveryState} - ({"withdrawn"} if old == 1 else set())
    withdrawn = rows(path, "SELECT count(*) FROM deliveries WHERE state = 'dead' AND handed_at IS NULL")
    assert withdrawn == [(1 if old == 1 else 0,)]
    assert rows(path, "SELECT count(*) FROM deliveries WHERE dropped_at IS NOT NULL") == [(1,)]
    assert rows(path, "SELECT count(*) FROM deliveries WHERE text LIKE '%It is shortened here.%'") == [(1,)]
    assert sorted(rows(path, "SELECT state FROM publications")) == [
        ("published",),
        ("refused",),
        ("waiting",),
    ]
    assert all(content(path)[table] for table in TABLES)


def test_it_becomes_one_of_the_newest_version_and_loses_nothing(path: Path, tmp_path: Path) -> None:
    before = content(path)
    Journal(path).close()
    assert version(path) == VERSION == len(MIGRATIONS) + 1
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert content(path) == before
    assert dead_letters(path) == {"Nobody hears this": 1}
    assert rows(path, "SELECT subtask_id, reason FROM deliveries WHERE state = 'withdrawn'") == [
        ("withdrawn", "it is assigned to architect now")
    ]
    Journal(tmp_path / "new.db").close()
    assert layout(path) == layout(tmp_path / "new.db")


def test_opening_it_again_changes_nothing(path: Path) -> None:
    Journal(path).close()
    before = (content(path), layout(path))
    Journal(path).close()
    assert (content(path), layout(path)) == before


def test_everything_open_goes_on(path: Path) -> None:
    office = Office(path.parent, on_disk=True)
    assert office.parts.journal.loss is None
    office.backend_opens()
    office.up(*DUE)
    assert {agent: office.kinds(agent) for agent in DUE} == DUE
    # And the work that waits behind it is done to its end
    for _ in range(5):
        for agent in DUE:
            lane = office.parts.lanes.by_agent[agent]
            if office.parts.lanes.in_hand(lane) is not None:
                office.report(agent, "done")
            office.end_turn(agent)
    assert office.kinds("architect") == ["task_ready long", "task_ready withdrawn"]
    assert office.kinds("coder") == [*DUE["coder"], "task_ready next"]
    assert office.kinds("sleeper") == [*DUE["sleeper"], "task_ready unheard"]
    assert office.kinds("tester") == ["dependency_completed both"]
    assert {node.id for node in office.parts.graph.open.values()} == {"task-1"}
    office.close()
    statement = f"SELECT id FROM deliveries WHERE {conditions.DELIVERY_OPEN}"  # noqa: S608 - our own words
    assert rows(path, statement) == []


def killed(path: Path, failpoint: str) -> None:
    """Open it in a process that is killed at a failpoint."""
    program = "import sys; from actors.journal.journal import Journal; Journal(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        env=os.environ | {VARIABLE: failpoint},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("failpoint", "reached"),
    [("journal.migrated.before", 0), ("journal.migrated.after", 1), ("router.schema.after", 1)],
)
@pytest.mark.parametrize("in_order", [True, False])
def test_a_migration_that_is_killed_goes_on_at_the_next_start(
    path: Path,
    old: int,
    failpoint: str,
    reached: int,
    in_order: bool,  # noqa: FBT001
) -> None:
    before = content(path)
    if in_order:
        with closing(sqlite3.connect(path)) as database:
            database.execute("INSERT INTO meta VALUES ('closed', 'in order')")
            database.commit()
    killed(path, failpoint)
    assert version(path) == (VERSION if failpoint.startswith("router") else old + reached)
    assert content(path) == before
    journal = Journal(path)
    assert journal.loss is None
    journal.close()
    assert version(path) == VERSION
    assert content(path) == before
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_new_one_whose_maker_was_killed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    killed(path, "router.schema.after")
    assert rows(path, "SELECT count(*) FROM sqlite_master") == [(0,)]
    journal = Journal(path)
    assert journal.loss is None
    journal.close()
    assert version(path) == VERSION


@pytest.mark.expected_errors("journal_damaged")
@pytest.mark.parametrize("table", ["knowledge", "deliveries_dead"])
def test_what_is_salvaged_from_an_older_one_is_translated(path: Path, table: str) -> None:
    before = content(path)
    spoil(path, table)
    office = Office(path.parent, on_disk=True)
    assert len(notes(office, "journal.damaged")) == 1
    office.close()
    after = content(path)
    assert version(path) == VERSION
    assert [row[:2] for row in after["deliveries"]] == [row[:2] for row in before["deliveries"]]
    assert dead_letters(path) == {"Nobody hears this": 1}
    assert rows(path, "SELECT subtask_id FROM deliveries WHERE state = 'withdrawn'") == [("withdrawn",)]
    assert [row[-1] for row in after["deliveries"]] == [row[-1] for row in before["deliveries"]]
    assert after["nodes"] == before["nodes"]


@pytest.mark.expected_errors("journal_damaged")
def test_one_with_tables_and_no_version_is_damaged_and_all_of_it_is_kept(path: Path) -> None:
    before = content(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=0")
    journal = Journal(path)
    assert journal.loss is not None
    journal.close()
    assert content(path)["deliveries"] == before["deliveries"]


def test_people_read_an_older_one_as_if_it_were_new(path: Path) -> None:
    assert dead_letters(path) == {"Nobody hears this": 1}
    with closing(JournalReader(path)) as reader:
        assert [row["subtask_id"] for row in reader.deliveries(state="withdrawn")] == ["withdrawn"]
        counts = reader.counts()
    Journal(path).close()
    with closing(JournalReader(path)) as reader:
        assert reader.counts() == counts


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("nodes", conditions.NODE_OPEN),
        ("deliveries", conditions.DELIVERY_OPEN),
        ("deliveries", conditions.DEAD_LETTER),
        ("publications", conditions.PUBLICATION_WAITING),
        ("publications", conditions.PUBLICATION_REFUSED),
    ],
)
def test_each_condition_has_its_index(tmp_path: Path, table: str, condition: str) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    (plan,) = rows(path, f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {condition}")  # noqa: S608 - names
    assert re.search(rf"SCAN {table} USING (COVERING )?INDEX {table}_(open|dead|refused)", plan[3])
    assert f"WHERE {condition}" in re.sub(r"\s+", " ", SCHEMA.read_text("utf-8"))


def test_final_states_are_those_that_are_not_open() -> None:
    statement = f"SELECT {conditions.DELIVERY_OPEN} FROM (SELECT ? AS state)"  # noqa: S608 - our own words
    with closing(sqlite3.connect(":memory:")) as database:
        is_open = {
            state: bool(database.execute(statement, (state,)).fetchone()[0]) for state in DeliveryState
        }
    assert is_open == {state: not state.is_final for state in DeliveryState}
