"""Opening the database."""

from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from backend.errors import WorkDirError
from backend.tables import Base, Meta

SCHEMA = "1"


def open_database(url: str) -> Engine:
    """Opens the database and creates its tables where it is new.

    SQLite runs with a write-ahead log, so that readers never wait for the writer, and with synchronous=FULL:
    what was acknowledged survives a power cut. Its file is readable by its owner only.

    Args:
        url: an SQLAlchemy URL; for SQLite it has to name a file.

    Raises:
        WorkDirError: the database was written by another version of the backend.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _make_private(Path(make_url(url).database or ""))
        event.listen(engine, "connect", _configure_sqlite)
    Base.metadata.create_all(engine)
    _check_schema(engine)
    return engine


def instance_of(engine: Engine) -> str:
    """The id that this database got when it was created: sequence numbers mean nothing in another."""
    with Session(engine) as session:
        return session.get_one(Meta, "instance").value


def _make_private(path: Path) -> None:
    # SQLite gives the log files beside it the same mode.
    path.touch(mode=0o600)
    path.chmod(0o600)


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
        elif schema.value != SCHEMA:
            engine.dispose()
            raise WorkDirError(f"the database has schema {schema.value}, this backend reads {SCHEMA}")
