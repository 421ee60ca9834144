"""A damaged journal: set aside, and whatever can still be read of it taken over into a new one."""

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
"""What reading may raise; the latter where a damaged schema becomes part of SQLite's message."""
UNFINISHED = (
    ("nodes", NODE_OPEN),
    ("deliveries", DELIVERY_OPEN),
    ("publications", PUBLICATION_WAITING),
    ("agents", "TRUE"),
)
"""The rows that a start takes up."""
WORDS = {
    "events": "events", "nodes": "tasks and subtasks", "deliveries": "deliveries", "agents": "agents",
    "knowledge": "pieces of knowledge", "publications": "publications", "rejected": "rejected inputs",
}  # fmt: skip
"""What people call the rows of a table; those of the others mean nothing by themselves."""


class Salvaged(NamedTuple):
    """What was done about a damaged journal.

    Attributes:
        aside: Where it lies now.
        kept: How many rows of each table could be read.
    """

    aside: Path
    kept: dict[str, int]

    @property
    def detail(self) -> str:
        """The same for people."""
        kept = ", ".join(f"{self.kept[name]} {word}" for name, word in WORDS.items() if self.kept.get(name))
        return f"it was damaged; set aside as {self.aside.name}; kept {kept or 'nothing'}"


def is_emptied(path: Path) -> bool:
    """Whether a journal was cut to nothing: then what had just been written still lies beside it.

    It must not be opened: SQLite takes it for a new one, and removes what lies beside it.
    """
    wal = _beside(path, "-wal")
    return path.is_file() and not path.stat().st_size and wal.is_file() and wal.stat().st_size > 0


def is_damage(error: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    """Whether it is the file's fault, and not the machine's."""
    return isinstance(error, UnicodeDecodeError) or not may_pass(error)


def is_sound(database: sqlite3.Connection) -> bool:
    """Whether nothing is wrong with it: its pages, its indexes, and what a start takes up.

    Reads all of it, so it costs more the larger it is.

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
    """A text that may be damaged: what isn't UTF-8 becomes what no text of ours holds."""
    return raw.decode("utf-8", "surrogateescape")


def is_under_way(path: Path) -> bool:
    """Whether somebody began to salvage this journal and was killed before the end."""
    return _damaged(path).exists()


def set_aside(path: Path) -> Path:
    """Move a damaged journal, with what belongs to it, out of the way until ``put_away``; its new path.

    Where that was begun already it is brought to its end: a journal that lies in the old place by now is new, and
    nobody was told of anything in it.
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
    """The path under which a damaged journal is to be kept."""
    return damaged.with_stem(f"{damaged.stem}-{time.strftime('%Y%m%d-%H%M%S')}")


def put_away(damaged: Path, kept: Path) -> None:
    """Give a damaged journal, of which everything was taken over, the name under which it is kept."""
    for companion in ("", *COMPANIONS):  # the journal first: as long as it isn't moved, all is begun anew
        with suppress(FileNotFoundError):
            _beside(damaged, companion).rename(_beside(kept, companion))


def _damaged(path: Path) -> Path:
    return path.with_name(f"{path.stem}.damaged{path.suffix}")


def _beside(path: Path, companion: str) -> Path:
    return path.with_name(path.name + companion)


def _remove(path: Path) -> None:
    """Remove a journal, last of all its main file: as long as that is there, the others are known to be its own."""
    for companion in (*COMPANIONS, ""):
        _beside(path, companion).unlink(missing_ok=True)


def take_over(damaged: Path, new: sqlite3.Connection) -> dict[str, int]:
    """Copy every row that can still be read into an empty journal.

    Each table is read from both ends, up to the damage. What an older version didn't have gets its default, and what
    it said in other words is translated. The backend's cursor is not taken over: what is lost here
    is asked of the backend again, and what isn't is recognised by its key. Edges are found in the nodes, too.

    Returns:
        How many rows of each table were kept.

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
                break  # met what was read from the other end
            count += taken
    return count


def _insert(new: sqlite3.Connection, statement: str, row: tuple[Any, ...]) -> int:
    """How many rows were taken: one, or none because it is there already or can't be one of ours."""
    try:
        return new.execute(statement, row).rowcount
    except sqlite3.IntegrityError:  # a text where a number belongs
        return 0


def _makes_sense(table: str, row: dict[str, Any]) -> bool:
    """Whether a row that could be read also holds what it should."""
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
                )  # it was cleaned of such before it was written
    except (ValueError, TypeError, KeyError):
        return False
    return True


def _rows(database: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """The rows up to the damage."""
    try:
        yield from database.execute(statement)
    except ILLEGIBLE as error:
        if not is_damage(error):
            raise
