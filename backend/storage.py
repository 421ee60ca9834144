"""Functions that open and check the database."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from backend.errors import DatabaseError
from backend.tables import Base, Item, Meta

SCHEMA = "2"
MIGRATIONS = {
    "1": ("ALTER TABLE items ADD COLUMN blocked_reason VARCHAR NOT NULL DEFAULT ''", "2"),
}
"""By schema version: the statement that leads to the next version, and that version."""
OURS = {Meta.__tablename__, Item.__tablename__}
"""Tables that are in each complete database of this program."""


def open_database(url: str) -> Engine:
    """Open the database, and create its tables if it is new.

    SQLite runs with a write-ahead log, so that readers never wait for the writer, and with synchronous=FULL, so
    that acknowledged changes survive a power cut. Only its owner can read the file.

    Args:
        url: an SQLAlchemy URL; for SQLite it must name a file.

    Raises:
        DatabaseError: the database can't be opened, or belongs to another program; the message has the reason,
            without a password.
    """
    try:
        address = make_url(url)
    except (SQLAlchemyError, ValueError):  # its port is no number
        raise DatabaseError(
            "the database's URL can't be read; it looks like sqlite:////path/to/file.db"
        ) from None
    try:
        return _open(address)
    except (
        SQLAlchemyError,
        ImportError,
        OSError,
        ValueError,
        TypeError,
    ) as error:  # drivers raise what they like
        raise DatabaseError(f"the database {_shown(address)} can't be used: {_reason(error)}") from error


def _shown(address: URL) -> str:
    """Return the URL without possible secrets: the password, and the query, which may hold one too."""
    return address.set(query={}).render_as_string(hide_password=True)


def _reason(error: Exception) -> str:
    """Return the driver's own message, without the statement and the advice that SQLAlchemy adds."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())


def _open(address: URL) -> Engine:
    engine = create_engine(address)
    try:
        if engine.dialect.name == "sqlite":
            _make_private(address)
            event.listen(engine, "connect", _configure_sqlite)
        Base.metadata.create_all(engine)
        _check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def instance_of(engine: Engine) -> str:
    """Return the id that this database got at its creation. Sequence numbers are valid only within it."""
    with Session(engine) as session:
        return session.get_one(Meta, "instance").value


def _make_private(address: URL) -> None:
    """Make the file private to its owner; SQLite gives the log files beside it the same mode.

    Only a new file, an empty one, or a database of this program is touched.
    """
    name = address.database or ":memory:"
    if name == ":memory:" or name.startswith("file:"):
        raise DatabaseError(f"the database {_shown(address)} can't be used: it has to be the path of a file")
    if Path(name).is_symlink():  # for a plainer message than the system's; O_NOFOLLOW is what protects
        raise DatabaseError(
            f"the database {_shown(address)} can't be used: it is a symlink; name the file itself"
        )
    # A directory is refused, and a pipe or a device doesn't block.
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if (fault := _fault(name, os.fstat(file))) is not None:
            raise DatabaseError(f"the database {_shown(address)} can't be used: {fault}")
        os.fchmod(file, 0o600)
    finally:
        os.close(file)


def _fault(name: str, found: os.stat_result) -> str | None:
    """Return the reason why this open file is no database of ours, and must not be touched; None if it is."""
    if not stat.S_ISREG(found.st_mode):
        return "it is no ordinary file"
    if found.st_uid != os.geteuid():
        return f"it belongs to another user (uid {found.st_uid})"
    if found.st_nlink > 1:
        return "it has another name too (a hard link)"
    return _foreign(name) if found.st_size else None


def _foreign(name: str) -> str | None:
    """Return the reason why a file is no database that this program has made, of whichever schema; None if it is.

    One whose creation was interrupted has a part of its tables, or none.
    """
    with closing(sqlite3.connect(f"file:{quote(str(Path(name).absolute()))}?mode=ro", uri=True)) as database:
        try:
            found = {
                row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            }
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if found >= OURS or found <= set(Base.metadata.tables) else "it is another program's database"


def _configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _check_schema(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        schema = session.get(Meta, "schema")
        if schema is None:
            session.add_all([Meta(name="schema", value=SCHEMA), Meta(name="instance", value=str(uuid4()))])
            return
        while schema.value in MIGRATIONS:
            statement, schema.value = MIGRATIONS[schema.value]
            session.execute(text(statement))
        if schema.value != SCHEMA:
            raise DatabaseError(f"the database has schema {schema.value}, this backend reads {SCHEMA}")
