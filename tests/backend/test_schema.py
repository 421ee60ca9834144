"""Tests of databases of older versions."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backend.errors import DatabaseError
from backend.requests import NewSubtask, NewTask
from backend.service import TaskService
from backend.storage import SCHEMA, open_database
from tests.backend.conftest import Told


def make_old(path: Path, schema: str) -> None:
    """Turn a database into one of the first version, as it was before a block had a reason."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE items DROP COLUMN blocked_reason")
        database.execute("DROP TABLE blocked_agents")
        database.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (schema,))


def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "old.db"
    engine = open_database(f"sqlite:///{path}")
    task = NewTask(id="T", title="t", subtasks=[NewSubtask(id="A", title="a")])
    TaskService(engine, told).create_task(task)
    engine.dispose()
    make_old(path, "1")
    for _ in range(2):  # the second time there is nothing to do
        open_database(f"sqlite:///{path}").dispose()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT id, blocked_reason FROM items").fetchall() == [("T", ""), ("A", "")]
        assert database.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() == (SCHEMA,)


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    open_database(f"sqlite:///{path}").dispose()
    make_old(path, "99")
    with pytest.raises(DatabaseError, match="the database has schema 99, this backend reads"):
        open_database(f"sqlite:///{path}")
