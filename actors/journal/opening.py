"""Opening of the journal's file: created if there is none, checked if it wasn't closed, salvaged if it is damaged."""

import os
import sqlite3
from contextlib import closing
from functools import cache
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
"""The highest plausible version; a higher number is damage."""


class JournalError(ConfigurationError):
    """The journal can't be opened or written."""


def open_or_salvage(path: Path | str, *, look: bool = True) -> sqlite3.Connection:
    """Open a journal's database. If it had to be salvaged, ``meta`` has the description under ``damage``.

    Args:
        path: Its file; ``:memory:`` for a temporary one.
        look: Look for damage, unless it was closed in order. That reads the whole file.

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
            raise  # a full disk, missing permissions: the file is not at fault
        return _salvage(Path(path))


def begin(path: Path | str, *, look: bool = True) -> sqlite3.Connection:
    """Open a journal's database, check it and bring it to the newest version.

    Args:
        path: Its file, created if there is none.
        look: Look for damage, unless it was closed in order.

    Raises:
        JournalError: It is of a later version.
        sqlite3.DatabaseError: It is damaged, or can't be opened or written now; ``is_damage`` tells which.
    """
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
    """Return the device and inode of a file; None if there is none, or it is empty."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at each commit, and a Path takes ten times as long
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def put_back(database: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Write an open database to its path again, after its file was removed or replaced.

    The open database is closed before the copy is moved into place: on close SQLite removes the ``-wal`` and ``-shm``
    files by their names, and must not remove those of another journal. A file that was put there is set aside.

    Returns:
        The new connection.

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
    """Look for damage if it wasn't closed in order, then migrate it.

    The order matters: a migration of a damaged journal would fail halfway, or hide what is missing. A kill in between
    leaves it without the mark that it was closed in order, so the next start looks for damage again first.
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
        if version < VERSION:
            log.info("journal_migrated", version=VERSION)
    _make(database)
    # A byte that changed within a table's definition may have renamed a column: all pages are sound then.
    if look and version and _columns(database) != _newest_columns():
        raise sqlite3.DatabaseError("damaged")


@cache
def _newest_columns() -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        _make(database)
        return _columns(database)


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the columns of all tables, each with its table's name, in order."""
    statement = (
        "SELECT master.name, info.name FROM sqlite_master AS master, pragma_table_info(master.name) AS info"
        " WHERE master.type = 'table' ORDER BY master.name, info.cid"
    )
    return database.execute(statement).fetchall()


def _version(database: sqlite3.Connection) -> int:
    """Read its version; 0 if it is empty.

    Version 1 was created table by table and got its number last: with tables but no number, its creation was killed.

    Raises:
        sqlite3.DatabaseError: It has tables, but no version; salvage keeps whatever is in them.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0 and database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise sqlite3.DatabaseError("damaged")
    return int(version)


def _make(database: sqlite3.Connection) -> None:
    """Create the tables and indexes that are missing: all of a new journal's, in one transaction."""
    database.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.read_text("utf-8").split(";"):
        database.execute(statement)
    failpoint("router.schema.after")
    database.execute(f"PRAGMA user_version={VERSION}")
    database.execute("COMMIT")


def _salvage(path: Path) -> sqlite3.Connection:
    """Start a new journal with everything that can be read of the damaged one.

    A kill at any point is safe: the damaged journal keeps its temporary name until the new one is committed, and while
    there is such a file the next start begins the salvage again.
    """
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
