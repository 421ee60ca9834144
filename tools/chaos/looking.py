"""Looks into a database that others write."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def look(path: Path, question: str) -> list[Any]:
    """The rows that answer the question; none while the database isn't there or is just being made."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(question).fetchall()
    except sqlite3.OperationalError:
        return []


def sessions(journal: Path) -> dict[str, str]:
    """The sessions that a journal knows: agent and session id."""
    return dict(look(journal, "SELECT agent, session_id FROM agents"))
