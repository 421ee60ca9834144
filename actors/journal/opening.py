"""Opening the journal's file: made where there is none, looked over where it wasn't closed, salvaged where damaged."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from actors.journal.migrations import VERSION, migrate
from actors.journal.salvage import (
    ILLEGIBLE,
    Salvaged,
    is_damage,
    is_emptied,
    is_sound,
    is_under_way,
    put_away,
    set_aside,
    stamped,
    take_over,
)
from actors.lib.errors import ConfigurationError
from actors.lib.failpoints import failpoint

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).with_name("schema.sql")
LAST_VERSION = 1000
"""No program will ever write a later one: such a number is damage."""


class JournalError(ConfigurationError):
    """The journal can't be opened or written."""


def open_or_salvage(path: Path | str, *, look: bool = True) -> sqlite3.Connection:
    """The database behind a journal. What had to be salvaged stands in ``meta`` as ``damage``.

    Args:
        path: Its file; ``:memory:`` for one that is forgotten.
        look: Look for damage, unless it was closed in order. That reads all of it.

    Raises:
        JournalError: It is of a later version.
        sqlite3.OperationalError: It can't be opened or written now.
    """
    if is_under_way(Path(path)) or is_emptied(Path(path)):
        return _salvage(Path(path))
    try:
        return begin(path, look=look)
    except ILLEGIBLE as error:
        if not is_damage(error) or str(path) == ":memory:":
            raise  # no room, no rights: not the file's fault
        return _salvage(Path(path))


def begin(path: Path | str, *, look: bool = True) -> sqlite3.Connection:
    """Open it, and see that it is what it should be."""
    if str(path) != ":memory:":
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            database.execute(f"PRAGMA {pragma}")
        _check(database, path, look=look)
    except BaseException:
        database.close()
        raise
    return database


def identity(path: Path | str) -> tuple[int, int] | None:
    """Which file it is; None if there is none, or nothing in it."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at each commit, and a Path takes ten times as long
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def put_back(database: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Write an open database to its path again, where somebody has removed its file or put another one there.

    The open one is closed first: SQLite removes what lies beside a file when that is closed, by its name.

    Raises:
        sqlite3.DatabaseError: It can't be read any more (it was emptied), or can't be written now.
    """
    copy = path.with_name(f"{path.stem}.copy{path.suffix}")
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        database.backup(target)
        if target.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("it was overwritten while it was in use")
    database.close()
    put_away(path, stamped(path.with_stem(f"{path.stem}.other")))
    copy.rename(path)
    return begin(path, look=False)


def _check(database: sqlite3.Connection, path: Path | str, *, look: bool) -> None:
    """Look for damage where it wasn't closed in order, then bring it to the newest version.

    In this order: a migration of a damaged journal would fail in its midst, or hide what is missing. A kill in between
    leaves it without the mark that it was closed in order, so the next start looks again before it goes on.
    """
    version = _version(database)
    if not 0 <= version <= LAST_VERSION:
        raise sqlite3.DatabaseError("damaged")
    if version > VERSION:
        raise JournalError(f"{path} is of version {version}; this program knows {VERSION}")
    if version:
        in_order = database.execute("DELETE FROM meta WHERE name = 'closed'").rowcount
        if look and not in_order and not is_sound(database):
            raise sqlite3.DatabaseError("damaged")
        migrate(database, version)
    _make(database)


def _version(database: sqlite3.Connection) -> int:
    """Read its version; 0 if nothing is in it yet.

    Version 1 was made table by table and got its number last: without a number it is one whose maker was killed.

    Raises:
        sqlite3.DatabaseError: It holds tables, but no version; salvage keeps whatever is in them.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0 and database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise sqlite3.DatabaseError("damaged")
    return int(version)


def _make(database: sqlite3.Connection) -> None:
    """Make what is missing of the newest version: all of a new journal, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.read_text("utf-8").split(";"):
        database.execute(statement)
    failpoint("router.schema.after")
    database.execute(f"PRAGMA user_version={VERSION}")
    database.execute("COMMIT")


def _salvage(path: Path) -> sqlite3.Connection:
    """Begin a new journal with what can be read of the damaged one."""
    damaged = set_aside(path)
    database = begin(path)
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
