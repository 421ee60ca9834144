"""A read-only view of the file of facts, usable while the feed's actor writes it."""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

import orjson

from actors.feed.log import VERSION, Fact
from actors.lib.errors import CoordinatorError
from actors.protocol.feed import FactKind

PAGE = 500
"""The most facts that are read at once,"""
PAGE_BYTES = 256 * 1024
"""and the most bytes of documents; the fact that exceeds this is the last."""

KINDS = get_args(FactKind)
_COLUMNS = "SELECT number, at, kind, agent, document FROM facts"
_RANGE = "number > ? AND number <= ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ?"
_ALL, _OF_AGENT = f"{_COLUMNS} WHERE {_RANGE}", f"{_COLUMNS} WHERE agent = ? AND {_RANGE}"

T = TypeVar("T")


class FeedUnreadableError(CoordinatorError):
    """A file of facts that can't be read now."""


class FeedPart(NamedTuple):
    """A part of the facts.

    Attributes:
        facts: The facts, oldest first.
        place: The number up to which facts were searched; pass it to ``after`` for the next part.
        is_end: True if there were no more facts at the time.
    """

    facts: list[Fact]
    place: int
    is_end: bool


class FeedReader:
    """Queries of the kept facts, usable from several threads. A missing file has no facts.

    Args:
        path: The file.

    Example:
        >>> reader = FeedReader(workdir.feed)
        >>> part = reader.after(0, kinds=["said"])
        >>> more = reader.after(part.place, kinds=["said"])
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def after(
        self, number: int, limit: int = PAGE, *, agent: str | None = None, kinds: Collection[str] = ()
    ) -> FeedPart:
        """Return facts after this number, of this agent and these kinds (by default: of all), oldest first.

        Raises:
            FeedUnreadableError: They can't be read.
        """
        statement, names = (_ALL, ()) if agent is None else (_OF_AGENT, (agent,))
        wanted = orjson.dumps(list(kinds or KINDS)).decode()

        def find(database: sqlite3.Connection) -> FeedPart:
            last = _last(database)
            rows = iter(database.execute(statement, (*names, number, last, wanted, limit)))
            facts = list(_up_to(PAGE_BYTES, (Fact(*row) for row in rows)))
            is_end = len(facts) < limit and next(rows, None) is None
            place = max(number, last) if is_end else facts[-1].number
            return FeedPart(facts, place, is_end)

        return self._ask(find, FeedPart([], number, is_end=True))

    def last(self) -> int:
        """Return the number of the newest fact; 0 if there has been none."""
        return self._ask(_last, 0)

    def first(self, agent: str | None = None) -> int:
        """Return the number of the oldest kept fact, of this agent or of all; 0 if there is none."""
        where, names = ("WHERE agent = ?", (agent,)) if agent is not None else ("", ())
        statement = f"SELECT coalesce(min(number), 0) FROM facts {where}"  # noqa: S608 - one of two texts
        return self._ask(lambda database: int(database.execute(statement, names).fetchone()[0]), 0)

    def lost_after(self, number: int, agent: str | None = None) -> int:
        """Return the number up to which facts after this one are lost, of this agent or of all; 0 if none is.

        They exceeded the bound, or were in a file that was damaged or removed.
        """
        where, names = ("WHERE agent = ?", (agent,)) if agent is not None else ("", ())
        pruned = f"SELECT coalesce(max(pruned), 0) FROM agents {where}"  # noqa: S608 - one of two texts
        begun = "SELECT coalesce(max(number), 0) FROM places WHERE name = 'begun'"

        def find(database: sqlite3.Connection) -> int:
            until = int(database.execute(pruned, names).fetchone()[0])
            if number:  # 0 asks for all kept facts, and knows of no earlier file
                until = max(until, database.execute(begun).fetchone()[0])
            return until if until > number else 0

        return self._ask(find, 0)

    def since(self, at: float) -> int:
        """Return a number after which all facts of this time or later are found, perhaps with earlier ones."""
        statement = "SELECT coalesce(min(number) - 1, ?) FROM facts WHERE at >= ?"
        return self._ask(lambda found: int(found.execute(statement, (_last(found), at)).fetchone()[0]), 0)

    def close(self) -> None:
        """Close the file; the next query opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = self._file = None

    def _ask(self, find: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        with self._lock, self._named_errors():
            database = self._opened()
            return nothing if database is None else find(database)

    def _opened(self) -> sqlite3.Connection | None:
        """Return a connection to the file at the path, which may have been replaced since the last query."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._close()
            return None
        if not found.st_size:  # it is being created; and SQLite would remove the companions of an emptied one
            self._close()
            return None
        if self._database is None or self._file != (found.st_dev, found.st_ino):
            self._close()
            self._database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, check_same_thread=False)
            self._file = found.st_dev, found.st_ino
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}")
        return self._database if version else None  # without a version it is being created

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            with suppress(sqlite3.Error):
                self._close()
            raise FeedUnreadableError(f"{self._path} can't be read: {error}") from error


def _last(database: sqlite3.Connection) -> int:
    row = database.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()
    return int(row[0] or 0)


def _up_to(size: int, facts: Iterable[Fact]) -> Iterator[Fact]:
    """Yield facts until their documents exceed this size; the one that does is the last."""
    for fact in facts:
        yield fact
        size -= len(fact.document)
        if size < 0:
            return
