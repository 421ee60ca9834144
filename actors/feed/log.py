"""The file of facts, written by the feed's actor alone and read by ``FeedReader``."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from actors.lib.failpoints import failpoint
from actors.lib.files import open_ours
from actors.protocol.feed import AgentActive, FactKind, FeedPage

_log = structlog.stdlib.get_logger(__name__)

VERSION = 1
ROW_BYTES = 64
"""The approximate size of a fact beside its document."""
KEPT = 0.9
"""The part of the bound that remains after pruning, so that facts are deleted many at a time."""
_SCHEMA = f"""
BEGIN;
CREATE TABLE IF NOT EXISTS facts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT,
    document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS facts_of_agent ON facts (agent, number);
CREATE TABLE IF NOT EXISTS agents (
    agent TEXT PRIMARY KEY,   -- '' for facts of no agent
    bytes INTEGER NOT NULL,
    pruned INTEGER NOT NULL DEFAULT 0   -- the number of the last fact that was deleted
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    name TEXT PRIMARY KEY,   -- 'events', 'steps': how far the journal was read; 'begun': where the numbers begin
    number INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
_EVENTS = (
    "INSERT INTO facts (at, kind, agent, document)"
    " SELECT coalesce(value ->> 'at', 0), 'event', value ->> 'agent', CAST(value AS BLOB) FROM json_each(?)"
)
_MOVES = (
    "INSERT INTO facts (at, kind, agent, document)"
    " SELECT coalesce(value ->> 0, 0), 'delivery', value ->> 2, CAST(json_patch('{}', json_object("
    "'at', value ->> 0, 'delivery_id', value ->> 1, 'agent', value ->> 2, 'kind', value ->> 3,"
    " 'subtask_id', value ->> 4, 'state', value ->> 5, 'receipt', value ->> 6,"
    " 'reason', value ->> 7, 'attempts', value ->> 8)) AS BLOB) FROM json_each(?)"  # the patch leaves nulls out
)
_ACTIVITIES = (
    "INSERT INTO facts (at, kind, agent, document)"
    " SELECT value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS BLOB) FROM json_each(?)"
)
_COUNT = (
    "INSERT INTO agents (agent, bytes)"
    " SELECT coalesce(agent, ''), sum(length(document) + ?) FROM facts WHERE number > ? GROUP BY 1"
    " ON CONFLICT (agent) DO UPDATE SET bytes = bytes + excluded.bytes"
)
_OLDEST = (
    "SELECT number, total FROM (SELECT number, sum(length(document) + ?) OVER (ORDER BY number) AS total"
    " FROM facts WHERE agent IS ?) WHERE total >= ? LIMIT 1"
)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Fact(NamedTuple):
    """An event, a step of a delivery, or an activity of an agent.

    Attributes:
        number: Its number, in the order in which the feed learns of facts; rising, with gaps.
        at: The time at which it happened, in seconds since the epoch.
        kind: Its kind.
        agent: The agent that it is about, if any.
        document: One JSON object on one line; its keys depend on the kind.
    """

    number: int
    at: float
    kind: FactKind
    agent: str | None
    document: bytes


class FeedPosition(NamedTuple):
    """The position in the journal: the numbers of the last event and of the last delivery step that were read."""

    events: int
    steps: int


class FeedLog:
    """The facts, of which each agent's oldest are deleted when they exceed the bound.

    What must hold:

    - Facts and the position in the journal that they end at are one transaction. So a crash neither doubles nor loses
      any fact of the journal.
    - A number is never given to two facts, not even after the file was damaged, removed or cut short by a power cut.
      So a client can ask for what follows a number.
    - A damaged file is set aside, and its events and steps are read from the journal again.

    Facts are given to SQLite all at once, as JSON, which it parses without Python's lock. So a flood of events doesn't
    keep the router waiting.

    Args:
        path: The file; created private (0600) if there is none.
        limit: The bytes that are kept of each agent, and of facts about no agent.
        clock: Returns the time, in seconds since the epoch.

    Raises:
        OSError: It can't be opened or created.
        sqlite3.Error: The same.
    """

    def __init__(self, path: Path, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._limit = limit
        self._clock = clock
        try:
            self._database = self._open()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.set_aside(str(error))
            self._database = self._open()
        self._file = _identity(path)

    def _open(self) -> sqlite3.Connection:
        os.close(open_ours(self._path, os.O_RDWR | os.O_CREAT))
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            _check_version(database)
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=2000"):
                database.execute(f"PRAGMA {pragma}")
            database.executescript(_SCHEMA)
            self._skip_numbers(database)
        except BaseException:
            database.close()
            raise
        return database

    def _skip_numbers(self, database: sqlite3.Connection) -> None:
        """Let numbers begin behind all that an earlier file can have given: at the clock's time, in milliseconds.

        Numbers stay behind the clock while there are fewer than a thousand facts a second on average.
        """
        now = int(self._clock() * 1000)
        with database:
            database.execute(
                "INSERT INTO sqlite_sequence SELECT 'facts', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)"
            )
            database.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'facts'", (now,))
            database.execute("INSERT OR IGNORE INTO places VALUES ('begun', ?)", (now,))

    @property
    def is_in_place(self) -> bool:
        """True if the file is where it belongs; otherwise anything written to it is lost."""
        return _identity(self._path) == self._file

    def position(self) -> FeedPosition:
        """Return the position in the journal that the facts end at."""
        found = dict(self._database.execute("SELECT name, number FROM places"))
        return FeedPosition(found.get("events", 0), found.get("steps", 0))

    def write(self, pages: Sequence[FeedPage], active: Sequence[AgentActive]) -> int:
        """Append facts in one transaction; return the number of the last fact.

        Args:
            pages: Pages from the router; the first begins at ``position``, each other at the end of the one before.
            active: Activities of agents.

        Raises:
            OSError: They could not be written, none of them.
            sqlite3.Error: The same.
        """
        execute = self._database.execute
        execute("BEGIN IMMEDIATE")
        try:
            (before,) = execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
            for page in pages:
                self._insert(_EVENTS, page.events)
                self._insert(_MOVES, [move[1:-1] for move in page.moves if len(move) > len("[]")])
                execute(
                    "INSERT OR REPLACE INTO places VALUES ('events', ?), ('steps', ?)",
                    (page.last_event, page.last_step),
                )
            self._insert(_ACTIVITIES, [row for each in active for row in _rows(each)])
            execute(_COUNT, (ROW_BYTES, before))
            (last,) = execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
            failpoint("feed.commit.before")
            execute("COMMIT")
            failpoint("feed.commit.after")
        except BaseException:
            if self._database.in_transaction:
                execute("ROLLBACK")
            raise
        return int(last)

    def prune(self) -> None:
        """Delete the oldest facts of each agent that exceeds the bound.

        Raises:
            OSError: They could not be deleted.
            sqlite3.Error: The same.
        """
        execute = self._database.execute
        for agent, size in execute(
            "SELECT agent, bytes FROM agents WHERE bytes > ?", (self._limit,)
        ).fetchall():
            whose = agent or None
            found = execute(_OLDEST, (ROW_BYTES, whose, size - self._limit * KEPT)).fetchone()
            if found is None:  # an earlier program counted wrongly
                continue
            number, total = found
            with self._database:
                execute("BEGIN IMMEDIATE")
                execute("DELETE FROM facts WHERE agent IS ? AND number <= ?", (whose, number))
                execute(
                    "UPDATE agents SET bytes = bytes - ?, pruned = ? WHERE agent = ?", (total, number, agent)
                )

    def _insert(self, statement: str, documents: Sequence[bytes]) -> None:
        if not documents:
            return
        try:
            self._database.execute(statement, (_joined(documents),))
        except (sqlite3.OperationalError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            for each in documents:  # one of them isn't JSON to SQLite: leave out that one only
                self._insert_alone(statement, each)

    def _insert_alone(self, statement: str, document: bytes) -> None:
        try:
            self._database.execute(statement, (_joined([document]),))
        except (sqlite3.OperationalError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            _log.warning("fact_unreadable", reason=str(error), document=document[:200])

    def set_aside(self, reason: str) -> None:
        """Move the damaged file out of the way. Of several, only the last one is kept."""
        self.close()
        aside = self._path.with_stem(f"{self._path.stem}.damaged")
        for suffix in ("", "-wal", "-shm"):
            target = aside.with_name(aside.name + suffix)
            target.unlink(missing_ok=True)
            source = self._path.with_name(self._path.name + suffix)
            if os.path.lexists(source):
                source.replace(target)
        _log.error("feed_damaged", reason=reason, aside=str(aside))

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, "_database"):
            self._database.close()


class _OtherVersionError(sqlite3.DatabaseError):
    """A file of another version of this program, which can't be used."""


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged, so that waiting can't help and it must be replaced."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _OtherVersionError) or (code is not None and code & 0xFF in _DAMAGE)


def _check_version(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise _OtherVersionError(f"it is of version {version}")


def _joined(documents: Sequence[bytes]) -> str:
    return b"".join((b"[", b",".join(documents), b"]")).decode()


def _rows(active: AgentActive) -> list[bytes]:
    """Convert an agent's activities to facts, each a JSON list: (at, kind, agent, document)."""
    head = {"at": active.at, "agent": active.agent}
    said: list[tuple[str, dict[str, object]]] = []
    if active.dropped:
        said.append(("dropped", {"count": active.dropped}))
    said += [(each.kind, each.model_dump(exclude={"kind"})) for each in active.activities]
    return [
        orjson.dumps((active.at, kind, active.agent, orjson.dumps(head | values).decode()))
        for kind, values in said
    ]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
