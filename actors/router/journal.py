"""The journal: one SQLite file, one writer, one transaction for everything that belongs together.

Writes begin a transaction by themselves; nothing is durable, and nobody may be told, before ``commit``
returned. With ``synchronous=FULL`` a commit survives a power cut (0.28 ms); many events share one commit.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from actors import errors
from actors.errors import ConfigurationError
from actors.failpoints import failpoint
from actors.router.salvage import (
    Salvaged,
    is_emptied,
    is_sound,
    is_under_way,
    put_away,
    set_aside,
    stamped,
    take_over,
)
from actors.router.tables import Agents, Deliveries, Events, Knowledge, Nodes, Outbox

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION = 1
PAGE = 1000
"""How many events are told at once to those who show them."""


class JournalError(ConfigurationError):
    """The journal can't be opened or written."""


PASSING = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
}  # fmt: skip


def may_pass(error: sqlite3.OperationalError | OSError) -> bool:
    """Whether it is the disk's or the machine's fault, so that the same may succeed later."""
    if isinstance(error, OSError):
        return errors.may_pass(error)
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


class Journal:
    """The tables, and the transaction around them.

    Args:
        path: The database file; created 0600 if there is none. ``:memory:`` for one that is forgotten.
        shown: The number of the last event that people were shown (0: none). A journal that ends before it has
            lost something.

    Attributes:
        loss: What was lost, as a kind of event and what to say of it; to be recorded before the first commit.

    Raises:
        JournalError: It is of a later version.
        sqlite3.OperationalError: It can't be opened or written now.
    """

    def __init__(self, path: Path | str, shown: Callable[[], int] = lambda: 0) -> None:
        self._database = self._open_or_salvage(path)
        execute = self.execute
        self.events = Events(execute)
        self.nodes = Nodes(execute)
        self.deliveries = Deliveries(execute)
        self.outbox = Outbox(execute)
        self.agents = Agents(execute)
        self.knowledge = Knowledge(execute)
        try:
            self.loss = self._see_loss(shown())
        except BaseException:
            self._database.close()
            raise

    def _see_loss(self, shown: int) -> tuple[str, str] | None:
        """Where something was lost, number what comes behind all that anybody may have seen."""
        last, damage = self.events.last, self.get("damage")
        if damage is None and shown <= last:
            return None
        self.events.last = max(last, shown) + PAGE  # as much may be on its way to people
        if damage is not None:
            self.execute("DELETE FROM meta WHERE name = 'damage'")
            return "journal.damaged", damage
        detail = (
            f"it ends with event {last}, but event {shown} was shown already: it was removed, emptied or replaced by"
            " an older one; the backend is asked for what is missing"
        )
        log.warning("journal_lost", detail=detail)
        return "journal.lost", detail

    def _open_or_salvage(self, path: Path | str) -> sqlite3.Connection:
        if is_under_way(Path(path)) or is_emptied(Path(path)):
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
            salvaged = Salvaged(stamped(damaged), take_over(damaged, database))
            database.execute("INSERT OR REPLACE INTO meta VALUES ('damage', ?)", (salvaged.detail,))
            failpoint("router.salvage.before")
            database.execute("COMMIT")
            failpoint("router.salvage.after")
            put_away(damaged, salvaged.aside)
        except BaseException:
            database.close()
            raise
        log.error("journal_damaged", detail=f"{salvaged.detail}; the backend is asked for the rest")
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
