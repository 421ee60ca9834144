"""The journal: one SQLite file, one writer, one transaction for everything that belongs together.

Writes begin a transaction by themselves; nothing is durable, and nobody may be told, before ``commit``
returned. With ``synchronous=FULL`` a commit survives a power cut (0.28 ms); many events share one commit.
"""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from actors.errors import ConfigurationError
from actors.failpoints import failpoint
from actors.router.salvage import is_sound, is_under_way, put_away, set_aside, take_over
from actors.router.tables import Agents, Deliveries, Events, Knowledge, Nodes, Outbox

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION = 1


class JournalError(ConfigurationError):
    """The journal can't be opened or written."""


PASSING = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
}  # fmt: skip


def may_pass(error: sqlite3.OperationalError | OSError) -> bool:
    """Whether it is the disk's fault, so that the same may succeed later."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
    return error.sqlite_errorcode & 0xFF in PASSING


def _check(database: sqlite3.Connection, path: Path | str) -> None:
    """Make what is missing, and look for damage where it wasn't closed in order."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalError(f"{path} is of version {version}; this program knows {VERSION}")
    database.executescript(SCHEMA.read_text("utf-8"))
    failpoint("router.schema.after")
    database.execute(f"PRAGMA user_version={VERSION}")
    in_order = database.execute("DELETE FROM meta WHERE name = 'closed'").rowcount
    if version and not in_order and not is_sound(database):
        raise sqlite3.DatabaseError("damaged")


class Salvaged(NamedTuple):
    """What was done about a damaged journal.

    Attributes:
        aside: Where it lies now.
        kept: How many rows of each table could be read.
    """

    aside: Path
    kept: dict[str, int]


class Journal:
    """The tables, and the transaction around them.

    Args:
        path: The database file; created 0600 if there is none. ``:memory:`` for one that is forgotten.

    Attributes:
        salvaged: Where it was damaged: what was kept, and where the damaged one lies now.

    Raises:
        JournalError: It is of a later version.
        sqlite3.OperationalError: It can't be opened or written now.
    """

    def __init__(self, path: Path | str) -> None:
        self.salvaged: Salvaged | None = None
        self._database = self._open_or_salvage(path)
        execute = self.execute
        self.events = Events(execute)
        self.nodes = Nodes(execute)
        self.deliveries = Deliveries(execute)
        self.outbox = Outbox(execute)
        self.agents = Agents(execute)
        self.knowledge = Knowledge(execute)

    def _open_or_salvage(self, path: Path | str) -> sqlite3.Connection:
        if is_under_way(Path(path)):
            return self._salvage(Path(path))
        try:
            return self._open(path)
        except sqlite3.OperationalError:
            raise  # no room, no rights: not the file's fault
        except sqlite3.DatabaseError:
            return self._salvage(Path(path))

    @staticmethod
    def _open(path: Path | str) -> sqlite3.Connection:
        """Open it, and see that it is what it should be."""
        if str(path) != ":memory:":
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
                database.execute(f"PRAGMA {pragma}")
            _check(database, path)
        except BaseException:
            database.close()
            raise
        return database

    def _salvage(self, path: Path) -> sqlite3.Connection:
        """Begin a new journal with what can be read of the damaged one."""
        damaged = set_aside(path)
        database = self._open(path)
        try:
            database.execute("BEGIN IMMEDIATE")
            kept = take_over(damaged, database)
            failpoint("router.salvage.before")
            database.execute("COMMIT")
            failpoint("router.salvage.after")
            self.salvaged = Salvaged(put_away(damaged), kept)
        except BaseException:
            database.close()
            raise
        return database

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
            failpoint("router.commit.before")
            self._database.execute("COMMIT")
            failpoint("router.commit.after")

    def close(self, *, in_order: bool = False) -> None:
        """Forget what wasn't committed, and close the file.

        Args:
            in_order: Nothing went wrong with it, so the next start need not look for damage.
        """
        if in_order:
            self.commit()
            self.put("closed", "in order")
            self.commit()
        self._database.close()
