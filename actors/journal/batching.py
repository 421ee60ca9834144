"""What the journal's tables share: the way to the database, and rows that wait for the commit."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

Execute = Callable[..., sqlite3.Cursor]
"""``(statement, values) -> cursor``; see ``Journal.execute``."""


class Late:
    """Rows that are gathered until the commit, and then written by one statement.

    Each statement gives the interpreter's lock away and has to wait for it again, which costs far more than a row.
    So SQLite is given all rows at once, as JSON. A later row of the same key takes the place of an earlier one.

    Args:
        statement: With ``json_each(?)``, whose ``key`` and ``value`` are those of ``rows``.
    """

    def __init__(self, execute: Execute, statement: str) -> None:
        self._execute = execute
        self._statement = statement
        self.rows: dict[str, Any] = {}

    def flush(self) -> None:
        """Write them."""
        if self.rows:
            self._execute(self._statement, (orjson.dumps(self.rows).decode(),))
            self.rows.clear()


class Table:
    """What all tables share: the way to the database, and what is to be written at the commit."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._late: list[Late] = []

    def flush(self) -> None:
        """Write what was gathered; before each commit, and before each look at the table."""
        for late in self._late:
            late.flush()

    def _gather(self, statement: str) -> Late:
        late = Late(self._execute, statement)
        self._late.append(late)
        return late

    def _last_number(self, table: str) -> int:
        return int(self._execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0])  # noqa: S608 - a name


def up_to(size: int | None, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Pass on rows until the last columns of those that were taken exceed so many bytes (or characters)."""
    taken = 0
    for row in rows:
        yield row
        taken += len(row[-1])
        if size is not None and taken > size:
            return
