"""Queries of a database that other processes write."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def look(path: Path, question: str) -> list[Any]:
    """Return the rows of a query; none while the database doesn't exist or is being created."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(question).fetchall()
    except sqlite3.OperationalError:
        return []


def sessions(journal: Path) -> dict[str, str]:
    """Return the session ids in a journal, by agent."""
    return dict(look(journal, "SELECT agent, session_id FROM agents"))
