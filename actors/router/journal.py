"""The journal: one SQLite file, one writer, one transaction for everything that belongs together.

Writes begin a transaction by themselves; nothing is durable, and nobody may be told, before ``commit``
returned. With ``synchronous=FULL`` a commit survives a power cut (0.28 ms); many events share one commit.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any

from actors.errors import CoordinatorError
from actors.router.tables import Agents, Deliveries, Events, Knowledge, Nodes, Outbox

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION = 1


class JournalError(CoordinatorError):
    """The journal can't be opened or written."""


class Journal:
    """The tables, and the transaction around them.

    Args:
        path: The database file; created 0600 if there is none. ``:memory:`` for one that is forgotten.

    Raises:
        JournalError: It isn't a journal, or one of a later version.
    """

    def __init__(self, path: Path | str) -> None:
        if str(path) != ":memory:":
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{path}: {error}") from error
        execute = self.execute
        self.events = Events(execute)
        self.nodes = Nodes(execute)
        self.deliveries = Deliveries(execute)
        self.outbox = Outbox(execute)
        self.agents = Agents(execute)
        self.knowledge = Knowledge(execute)

    def _prepare(self) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            self._database.execute(f"PRAGMA {pragma}")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise JournalError(f"the journal is of version {version}; this program knows {VERSION}")
        self._database.executescript(SCHEMA.read_text("utf-8"))
        self._database.execute(f"PRAGMA user_version={VERSION}")

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a statement, inside the transaction that is open (a write opens one)."""
        if not self._database.in_transaction and not statement.startswith("SELECT"):
            self._database.execute("BEGIN IMMEDIATE")
        return self._database.execute(statement, values)

    def get(self, name: str) -> str | None:
        """A named value, such as the backend's cursor."""
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, name: str, value: str) -> None:
        """Set a named value."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def commit(self) -> None:
        """Make everything written so far durable."""
        for table in (self.events, self.deliveries, self.agents):
            table.flush()
        if self._database.in_transaction:
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Forget what wasn't committed, and close the file."""
        self._database.close()
