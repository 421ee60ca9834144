"""The journal: one SQLite file, one writer, one transaction for everything that belongs together.

Writes begin a transaction by themselves; nothing is durable, and nobody may be told, before ``commit``
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
"""How many events are told at once to those who show them."""


class Loss(NamedTuple):
    """What was found to be lost.

    Attributes:
        kind: The kind of the event that tells of it.
        detail: What to say of it.
        is_partial: What is left may not fit together.
    """

    kind: str
    detail: str
    is_partial: bool


class Journal:
    """The tables, and the transaction around them.

    Args:
        path: The database file; created 0600 if there is none. ``:memory:`` for one that is forgotten.
        shown: The number of the last event that people were shown (0: none). A journal that ends before it has
            lost something.
        look: Look for damage, unless it was closed in order. That reads all of it.

    Attributes:
        loss: What was lost, to be recorded before the first commit.

    Raises:
        JournalError: It is of a later version.
        sqlite3.OperationalError: It can't be opened or written now.
    """

    def __init__(self, path: Path | str, shown: Callable[[], int] = lambda: 0, *, look: bool = True) -> None:
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
            self.loss = self._see_loss(shown())
        except BaseException:
            self._database.close()
            raise

    def _see_loss(self, shown: int) -> Loss | None:
        """Where something was lost, number what comes behind all that anybody may have seen."""
        last, damage = self.events.last, self.get("damage")
        if damage is None and shown <= last:
            return None
        self.events.last = max(last, shown) + PAGE  # as much may be on its way to people
        self.steps.last += PAGE  # the same
        if damage is not None:
            self.execute("DELETE FROM meta WHERE name = 'damage'")
            return Loss("journal.damaged", damage, is_partial=True)
        detail = (
            f"it ends with event {last}, but event {shown} was shown already: it was removed, emptied or replaced by"
            " an older one; the backend is asked for what is missing"
        )
        log.warning("journal_lost", detail=detail)
        return Loss("journal.lost", detail, is_partial=False)

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

    def touch(self) -> None:
        """Have something to commit: then it turns out whether the file can be written, and is in its place."""
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
        """What is written to a file that isn't there any more is lost with the process: nobody is told of it before."""
        if identity(self._path) == self._identity:
            return
        log.error("journal_removed", journal=str(self._path))
        self._database = put_back(self._database, Path(self._path))
        self._identity = identity(self._path)
        log.warning("journal_put_back", journal=str(self._path))

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
