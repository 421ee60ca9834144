"""Salvage of a damaged journal: it is set aside, and whatever can be read of it is copied into a new one.

What must hold: the damaged journal is never removed, a kill at any point leaves files from which the next start can
tell what was done, and no row is copied that a start could not take up.

The steps, with the files after each:

1. ``set_aside``: ``journal.db`` becomes ``journal.damaged.db``, then its ``-wal`` and ``-shm`` follow.
2. ``take_over``: a new ``journal.db``, committed with all rows that make sense.
3. ``put_away``: ``journal.damaged.db`` becomes ``journal.damaged-<time>.db`` and stays. Until then the next start
   discards the new journal, of which nobody was told anything, and begins again.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from actors.graph.node import from_document
from actors.journal.conditions import DELIVERY_OPEN, NODE_OPEN, PUBLICATION_WAITING
from actors.journal.migrations import translate
from actors.lib.errors import may_pass
from actors.lib.failpoints import failpoint
from actors.protocol.deliveries import DeliveryKind, DeliveryState

TABLES = (
    "meta", "events", "rejected", "nodes", "edges", "deliveries", "publications", "agents", "knowledge", "steps",
)  # fmt: skip
COMPANIONS = ("-wal", "-shm")
ILLEGIBLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""Errors of reading a damaged file; the latter if a damaged schema becomes part of SQLite's message."""
UNFINISHED = (
    ("nodes", NODE_OPEN),
    ("deliveries", DELIVERY_OPEN),
    ("publications", PUBLICATION_WAITING),
    ("agents", "TRUE"),
)
"""The tables, and the rows of each, that a start takes up."""
WORDS = {
    "events": "events", "nodes": "tasks and subtasks", "deliveries": "deliveries", "agents": "agents",
    "knowledge": "pieces of knowledge", "publications": "publications", "rejected": "rejected inputs",
}  # fmt: skip
"""The names of rows in messages to people; rows of other tables are not counted there."""


class Salvaged(NamedTuple):
    """The outcome of a salvage.

    Attributes:
        aside: The damaged journal's new path.
        kept: The number of rows that could be read, by table.
    """

    aside: Path
    kept: dict[str, int]

    @property
    def detail(self) -> str:
        """The outcome, in words for people."""
        kept = ", ".join(f"{self.kept[name]} {word}" for name, word in WORDS.items() if self.kept.get(name))
        return f"it was damaged; set aside as {self.aside.name}; kept {kept or 'nothing'}"


def is_emptied(path: Path) -> bool:
    """Return whether a journal was cut to zero bytes while its ``-wal`` still has content.

    It must not be opened: SQLite would treat it as a new database and remove the ``-wal``.
    """
    wal = _beside(path, "-wal")
    return path.is_file() and not path.stat().st_size and wal.is_file() and wal.stat().st_size > 0


def is_damage(error: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    """Return whether the file is at fault, and not the machine."""
    return isinstance(error, UnicodeDecodeError) or not may_pass(error)


def is_sound(database: sqlite3.Connection) -> bool:
    """Return whether its pages, its indexes and the rows that a start takes up are undamaged.

    Reads the whole file, so the cost grows with its size.

    Raises:
        sqlite3.DatabaseError: It can't be read now.
    """
    try:
        pages = database.execute("PRAGMA integrity_check(1)").fetchone()
        return bool(pages == ("ok",)) and _is_legible(database)
    except ILLEGIBLE as error:
        if not is_damage(error):
            raise
        return False


def _is_legible(database: sqlite3.Connection) -> bool:
    database.text_factory = _text
    try:
        for table, which in UNFINISHED:
            cursor = database.execute(f"SELECT * FROM {table} WHERE {which}")  # noqa: S608 - our own tables
            names = [column[0] for column in cursor.description]
            if not all(_makes_sense(table, dict(zip(names, row, strict=True))) for row in cursor):
                return False
        return True
    finally:
        database.text_factory = str


def _text(raw: bytes) -> str:
    """Decode text that may be damaged: bytes that aren't UTF-8 become surrogates, which no text of ours contains."""
    return raw.decode("utf-8", "surrogateescape")


def is_under_way(path: Path) -> bool:
    """Return whether a salvage of this journal was begun and not finished."""
    return _damaged(path).exists()


def set_aside(path: Path) -> Path:
    """Move a damaged journal, with its companions, out of the way until ``put_away``; return its new path.

    If that was begun already it is finished. A journal at the old path is then the new one of the interrupted salvage.
    It is removed, since nobody was told of anything in it.
    """
    damaged = _damaged(path)
    if not damaged.exists():
        _remove(damaged)  # companions of an earlier one
        path.rename(damaged)
        failpoint("router.salvage.moved")
    elif path.exists():
        _remove(path)
    for companion in COMPANIONS:
        with suppress(FileNotFoundError):
            _beside(path, companion).rename(_beside(damaged, companion))
    return damaged


def stamped(damaged: Path) -> Path:
    """Return the path under which a damaged journal is kept, with the time in its name."""
    return damaged.with_stem(f"{damaged.stem}-{time.strftime('%Y%m%d-%H%M%S')}")


def put_away(damaged: Path, kept: Path) -> None:
    """Rename a damaged journal, after everything was taken over, to the path under which it is kept."""
    for companion in ("", *COMPANIONS):  # the main file first: until it is moved, the salvage begins again
        with suppress(FileNotFoundError):
            _beside(damaged, companion).rename(_beside(kept, companion))


def _damaged(path: Path) -> Path:
    return path.with_name(f"{path.stem}.damaged{path.suffix}")


def _beside(path: Path, companion: str) -> Path:
    return path.with_name(path.name + companion)


def _remove(path: Path) -> None:
    """Remove a journal, its main file last: as long as that exists, the companions are known to be its own."""
    for companion in (*COMPANIONS, ""):
        _beside(path, companion).unlink(missing_ok=True)


def take_over(damaged: Path, new: sqlite3.Connection) -> dict[str, int]:
    """Copy every row that can be read into an empty journal.

    Each table is read from both ends, up to the damage. Columns that an older version lacks get their defaults, and
    its rows are converted. The backend's cursor is not copied, so the backend resends all its events: lost ones are
    restored, and the others are recognised by their keys. Lost edges are restored from the nodes.

    Returns:
        The number of rows that were kept, by table.

    Raises:
        sqlite3.OperationalError: The new one can't be written now.
    """
    kept: dict[str, int] = {}
    if is_emptied(damaged):
        return kept
    old = sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)
    old.text_factory = _text
    try:
        for table in TABLES:
            kept[table] = _copy(table, old, new)
        translate(new)
    finally:
        old.close()
    new.execute("DELETE FROM meta WHERE name = 'cursor'")
    new.execute(
        "INSERT OR IGNORE INTO edges"
        " SELECT value, nodes.id FROM nodes, json_each(CAST(document AS TEXT), '$.upstreams')"
    )
    return kept


def _copy(table: str, old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    there = {row[1] for row in _rows(old, f"PRAGMA table_info({table})")}
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})") if row[1] in there]
    if not columns:
        return 0
    key = columns[0]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    count = 0
    for direction in ("ASC", "DESC"):
        for row in _rows(old, f"SELECT {names} FROM {table} ORDER BY {key} {direction}"):  # noqa: S608 - our own tables
            if not _makes_sense(table, dict(zip(columns, row, strict=True))):
                continue
            taken = _insert(new, f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608
            if taken == 0 and direction == "DESC":
                break  # reached the rows that were read from the other end
            count += taken
    return count


def _insert(new: sqlite3.Connection, statement: str, row: tuple[Any, ...]) -> int:
    """Insert a row; return 1, or 0 if it is there already or can't be one of ours."""
    try:
        return new.execute(statement, row).rowcount
    except sqlite3.IntegrityError:  # a text where a number belongs
        return 0


def _makes_sense(table: str, row: dict[str, Any]) -> bool:
    """Return whether a row that could be read has valid content."""
    try:
        for value in row.values():
            if isinstance(value, str):
                value.encode()
        match table:
            case "nodes":
                from_document(row["id"], row["status"], orjson.loads(row["document"]))
            case "events" | "steps":
                orjson.loads(row["document"])
            case "publications":
                orjson.loads(row["payload"])
            case "deliveries":
                DeliveryKind(row["kind"]), DeliveryState(row["state"])
                return "\0" not in row["text"] + row.get(
                    "document", ""
                )  # texts are cleaned of NUL before they are written
    except (ValueError, TypeError, KeyError):
        return False
    return True


def _rows(database: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows up to the damage."""
    try:
        yield from database.execute(statement)
    except ILLEGIBLE as error:
        if not is_damage(error):
            raise
