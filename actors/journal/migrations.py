"""Migrations of a journal from an older version to the newest, step by step.

``schema.sql`` is the newest version; a new journal is created with it directly. To change it: edit ``schema.sql``,
append a ``Migration`` here, and keep a journal of the previous version as a fixture of the tests.

What must hold: existing migrations never change, each step is one transaction that ends with its version number, and a
migrated journal has the same tables as a new one.
"""

import sqlite3
from dataclasses import dataclass

from actors.lib.failpoints import failpoint


@dataclass(frozen=True)
class Migration:
    """The step from one version to the next. ``layout`` and ``content`` never change, whatever comes later.

    Attributes:
        layout: Statements that change tables and indexes.
        content: Statements that convert rows to the new version. They must be idempotent: they also convert rows that
            were salvaged from a journal of unknown version.
        view: Statements that give a read-only connection to a journal of this old version the newest version's view.
    """

    layout: tuple[str, ...]
    content: tuple[str, ...]
    view: tuple[str, ...]


_AGENTS = "CREATE TEMP VIEW agents AS SELECT *, 0 AS began_at FROM main.agents"
MIGRATIONS = (
    # 1 -> 2: `withdrawn` becomes a state, a delivery has its whole document, and delivery steps are kept
    Migration(
        layout=(
            "DROP INDEX IF EXISTS deliveries_open",
            "DROP INDEX IF EXISTS deliveries_dead",
            "ALTER TABLE deliveries ADD COLUMN document TEXT NOT NULL DEFAULT ''",
            (
                "CREATE INDEX deliveries_open ON deliveries (agent, number)"
                " WHERE state NOT IN ('completed', 'withdrawn', 'dead')"
            ),
            "CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead' AND dropped_at IS NULL",
            "CREATE TABLE steps (number INTEGER PRIMARY KEY, document BLOB NOT NULL)",
        ),
        content=("UPDATE deliveries SET state = 'withdrawn' WHERE state = 'dead' AND handed_at IS NULL",),
        view=(
            (
                "CREATE TEMP VIEW deliveries AS SELECT number, id, agent, kind, subtask_id, text,"
                " CASE WHEN state = 'dead' AND handed_at IS NULL THEN 'withdrawn' ELSE state END AS state,"
                " attempts, receipt, reason, queued_at, handed_at, written_at, accepted_at, started_at, completed_at,"
                " dropped_at, '' AS document FROM main.deliveries"
            ),
            _AGENTS,
        ),
    ),
    # 2 -> 3: an agent's conversation has a beginning
    Migration(
        layout=("ALTER TABLE agents ADD COLUMN began_at REAL NOT NULL DEFAULT 0",),
        content=(),
        view=(_AGENTS,),
    ),
)
"""All migrations in order; the first leads from version 1 to version 2."""
VERSION = len(MIGRATIONS) + 1
"""The newest version."""


def migrate(database: sqlite3.Connection, version: int) -> None:
    """Migrate a sound journal of this version to the newest.

    A kill leaves the journal at one version or the next, and the next start goes on from there.

    Raises:
        sqlite3.DatabaseError: It is damaged, or can't be written now; it stays at the version that it had reached.
    """
    for reached, migration in enumerate(MIGRATIONS[version - 1 :], start=version + 1):
        database.execute("BEGIN IMMEDIATE")
        for statement in (*migration.layout, *migration.content):
            database.execute(statement)
        database.execute(f"PRAGMA user_version={reached}")
        failpoint("journal.migrated.before")
        database.execute("COMMIT")
        failpoint("journal.migrated.after")


def translate(database: sqlite3.Connection) -> None:
    """Convert rows that were copied from a journal of any older version."""
    for migration in MIGRATIONS:
        for statement in migration.content:
            database.execute(statement)


def read_as_newest(database: sqlite3.Connection) -> None:
    """Give a read-only connection to a journal of an older version the newest version's view of it."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if 1 <= version < VERSION:
        for statement in MIGRATIONS[version - 1].view:
            database.execute(statement)
