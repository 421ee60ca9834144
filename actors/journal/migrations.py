"""Migrations: how a journal of an older version becomes one of the newest, step by step.

``schema.sql`` is the newest version, and a new journal is made with it at once. To change it: change ``schema.sql``,
append a ``Migration`` here, and keep a journal of the version before as a fixture of the tests.
"""

import sqlite3
from dataclasses import dataclass

import structlog

from actors.lib.failpoints import failpoint

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Migration:
    """One step from a version to the next. ``layout`` and ``content`` never change, whatever comes later.

    Attributes:
        layout: Statements that change tables and indexes.
        content: Statements that say the same in the new version's words. They change nothing where that is so
            already, so they also translate what was salvaged from a journal whose version can't be told.
        view: Statements that let a connection that may not write read the old journal as one of the newest version.
    """

    layout: tuple[str, ...]
    content: tuple[str, ...]
    view: tuple[str, ...]


MIGRATIONS = (
    # 1 -> 2: `withdrawn` is a state of its own, a delivery has its whole document, and delivery steps are kept
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
        ),
    ),
)
"""In order; the first leads from version 1 to version 2."""
VERSION = len(MIGRATIONS) + 1
"""The newest version."""


def migrate(database: sqlite3.Connection, version: int) -> None:
    """Bring a sound journal of this version to the newest one.

    Each step is a transaction that ends with its version: a kill leaves the journal at one version or the next, and
    the next start goes on from there.

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
        log.info("journal_migrated", version=reached)


def translate(database: sqlite3.Connection) -> None:
    """Say in the newest version's words what was copied from a journal of any older version."""
    for migration in MIGRATIONS:
        for statement in migration.content:
            database.execute(statement)


def read_as_newest(database: sqlite3.Connection) -> None:
    """Have a connection that only reads see a journal of an older version as one of the newest."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if 1 <= version < VERSION:
        for statement in MIGRATIONS[version - 1].view:
            database.execute(statement)
