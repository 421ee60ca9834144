"""The journal: one SQLite file, one writer, one transaction for everything that belongs together.

A write begins a transaction by itself. Nothing is durable, and nothing may be told to anybody, until ``commit`` has
returned. With ``synchronous=FULL`` a commit survives a power cut (0.28 ms); many events share one commit.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from actors.journal.opening import identity, open_or_salvage, put_back
from actors.journal.tables import Agents, Deliveries, Events, Knowledge, Nodes, Outbox, Steps
from actors.lib.failpoints import failpoint

log = structlog.get_logger(__name__)

PAGE = 1000
"""The most events in a page for subscribers."""


class Loss(NamedTuple):
    """A loss of journaled data that was found at the start.

    Attributes:
        kind: The kind of the event to record for it.
        detail: Its description, for people.
        is_partial: True if only a part was lost, so that the rest may be inconsistent.
    """

    kind: str
    detail: str
    is_partial: bool


class Journal:
    """The tables, and the transaction around them.

    Args:
        path: The database file; created 0600 if there is none. ``:memory:`` for a temporary one.
        last_exported: Returns the number of the last event in the history file (0: none). A journal that ends before
            it has lost something.
        look: Look for damage, unless it was closed in order. That reads the whole file.

    Attributes:
        loss: What was lost, to be recorded before the first commit; None: nothing.

    Raises:
        JournalError: It is of a later version.
        sqlite3.OperationalError: It can't be opened or written now.

    Example:
        >>> journal = Journal(workdir.journal)
        >>> journal.put("cursor", "7")
        >>> journal.commit()  # only now may anybody be told
    """

    def __init__(
        self, path: Path | str, last_exported: Callable[[], int] = lambda: 0, *, look: bool = True
    ) -> None:
        self._path = path
        self._database = open_or_salvage(path, look=look)
        self._identity = identity(path)
        execute = self.execute
        self.events = Events(execute)
        self.nodes = Nodes(execute)
        self.deliveries = Deliveries(execute)
        self.steps = Steps(execute)
        self.outbox = Outbox(execute)
        self.agents = Agents(execute)
        self.knowledge = Knowledge(execute)
        try:
            self.loss = self._find_loss(last_exported())
        except BaseException:
            self._database.close()
            raise

    def _find_loss(self, exported: int) -> Loss | None:
        """Compare the journal's end with the history file's; after a loss, skip all numbers that may be in use."""
        last, damage = self.events.last, self.get("damage")
        if damage is None and exported <= last:
            return None
        self.events.last = max(last, exported) + PAGE  # a page may be on its way to a subscriber
        self.steps.last += PAGE  # the same
        if damage is not None:
            self.execute("DELETE FROM meta WHERE name = 'damage'")
            return Loss("journal.damaged", damage, is_partial=True)
        detail = (
            f"it ends with event {last}, but the history file ends with event {exported}: it was removed, emptied or"
            " replaced by an older one; the backend is asked for what is missing"
        )
        log.warning("journal_lost", detail=detail)
        return Loss("journal.lost", detail, is_partial=False)

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a statement in the open transaction; a write opens one if there is none."""
        if not self._database.in_transaction and not statement.startswith("SELECT"):
            self._database.execute("BEGIN IMMEDIATE")
        return self._database.execute(statement, values)

    def get(self, name: str) -> str | None:
        """Return a named value, such as the backend's cursor, or None."""
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, name: str, value: str) -> None:
        """Set a named value."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def touch(self) -> None:
        """Give the next commit something to write, which tests that the file can be written and is in its place."""
        self.put("written", str(time.time()))

    def commit(self) -> None:
        """Make everything written so far durable."""
        for table in (self.events, self.deliveries, self.steps, self.agents):
            table.flush()
        if self._database.in_transaction:
            failpoint("router.commit.before")
            self._database.execute("COMMIT")
            self._stay_in_place()
            failpoint("router.commit.after")

    def _stay_in_place(self) -> None:
        """Put the file back if it was removed, before anybody is told: the commit would be lost with the process."""
        if identity(self._path) == self._identity:
            return
        log.error("journal_removed", journal=str(self._path))
        self._database = put_back(self._database, Path(self._path))
        self._identity = identity(self._path)
        log.warning("journal_put_back", journal=str(self._path))

    def close(self, *, in_order: bool = False) -> None:
        """Close the file; what wasn't committed is rolled back.

        Args:
            in_order: Commit first, and mark the journal as sound, so that the next start doesn't look for damage.
        """
        if in_order:
            self.commit()
            self.put("closed", "in order")
            self.commit()
        self._database.close()
