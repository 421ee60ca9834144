"""Reads the file of facts, beside the actor that writes it or without one; never writes."""

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
"""How many facts are read at once,"""
PAGE_BYTES = 256 * 1024
"""and how many bytes of documents, but for the last one's."""

KINDS = get_args(FactKind)
_COLUMNS = "SELECT number, at, kind, agent, document FROM facts"
_RANGE = "number > ? AND number <= ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ?"
_ALL, _OF_AGENT = f"{_COLUMNS} WHERE {_RANGE}", f"{_COLUMNS} WHERE agent = ? AND {_RANGE}"

T = TypeVar("T")


class FeedUnreadableError(CoordinatorError):
    """The file of facts can't be read now."""


class FeedPart(NamedTuple):
    """What was found.

    Attributes:
        facts: Facts, oldest first.
        place: Up to which number was looked; to be asked for what follows.
        is_end: There was no more at the time.
    """

    facts: list[Fact]
    place: int
    is_end: bool


class FeedReader:
    """Questions about the facts that are kept; usable from several threads. A file that isn't there holds none.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def after(
        self, number: int, limit: int = PAGE, *, agent: str | None = None, kinds: Collection[str] = ()
    ) -> FeedPart:
        """Facts behind this number, of this agent and of these kinds; without either, all.

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
        """The number of the newest fact; 0 if there has been none."""
        return self._ask(_last, 0)

    def first(self, agent: str | None = None) -> int:
        """The number of the oldest fact that is kept, of this agent or of all; 0 if there is none."""
        where, names = ("WHERE agent = ?", (agent,)) if agent is not None else ("", ())
        statement = f"SELECT coalesce(min(number), 0) FROM facts {where}"  # noqa: S608 - one of two texts
        return self._ask(lambda database: int(database.execute(statement, names).fetchone()[0]), 0)

    def lost_after(self, number: int, agent: str | None = None) -> int:
        """Up to which number facts behind this one are gone, of this agent or of all; 0 if none is.

        They were deleted for want of room, or with a file that was damaged.
        """
        where, names = ("WHERE agent = ?", (agent,)) if agent is not None else ("", ())
        pruned = f"SELECT coalesce(max(pruned), 0) FROM agents {where}"  # noqa: S608 - one of two texts
        begun = "SELECT coalesce(max(number), 0) FROM places WHERE name = 'begun'"

        def find(database: sqlite3.Connection) -> int:
            until = int(database.execute(pruned, names).fetchone()[0])
            if number:  # else it wants all that is kept, and knows of no file before this one
                until = max(until, database.execute(begun).fetchone()[0])
            return until if until > number else 0

        return self._ask(find, 0)

    def since(self, at: float) -> int:
        """The number behind which all facts lie that happened at this time or later; earlier ones may, too."""
        statement = "SELECT coalesce(min(number) - 1, ?) FROM facts WHERE at >= ?"
        return self._ask(lambda found: int(found.execute(statement, (_last(found), at)).fetchone()[0]), 0)

    def close(self) -> None:
        """Close the file; the next question opens it again."""
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
        """The file that is there now: another one, perhaps, than at the last question."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._close()
            return None
        if not found.st_size:  # it is being made; and SQLite would remove what lies beside an emptied one
            self._close()
            return None
        if self._database is None or self._file != (found.st_dev, found.st_ino):
            self._close()
            self._database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, check_same_thread=False)
            self._file = found.st_dev, found.st_ino
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}")
        return self._database if version else None  # else it is being made

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
    """Facts until their documents exceed this size; the one that does is the last."""
    for fact in facts:
        yield fact
        size -= len(fact.document)
        if size < 0:
            return
