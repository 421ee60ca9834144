"""The base of the journal's tables, and rows that wait for the commit."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

Execute = Callable[..., sqlite3.Cursor]
"""``(statement, values) -> cursor``; see ``Journal.execute``."""


class Late:
    """Rows that are gathered until the commit, and then written by one statement.

    Each statement releases the interpreter's lock and has to wait for it again, which costs far more than a row. So
    SQLite is given all rows at once, as JSON. A later row replaces an earlier one with the same key.

    Args:
        execute: Runs a statement.
        statement: A statement with ``json_each(?)``, which yields the ``key`` and ``value`` of each of ``rows``.

    Attributes:
        rows: The gathered rows, by key.

    Example:
        >>> costs = Late(execute, "UPDATE agents SET cost_usd = value FROM json_each(?) WHERE agent = key")
        >>> costs.rows["coder"] = 0.12
        >>> costs.flush()
    """

    def __init__(self, execute: Execute, statement: str) -> None:
        self._execute = execute
        self._statement = statement
        self.rows: dict[str, Any] = {}

    def flush(self) -> None:
        """Write the gathered rows."""
        if self.rows:
            self._execute(self._statement, (orjson.dumps(self.rows).decode(),))
            self.rows.clear()


class Table:
    """The base of all tables.

    What must hold: whoever reads a table flushes it first, and so does each commit. So gathered rows are always seen,
    and always part of the transaction that they belong to.

    Args:
        execute: Runs a statement.
    """

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._late: list[Late] = []

    def flush(self) -> None:
        """Write the gathered rows, before each commit and each read of the table."""
        for late in self._late:
            late.flush()

    def _gather(self, statement: str) -> Late:
        late = Late(self._execute, statement)
        self._late.append(late)
        return late

    def _last_number(self, table: str) -> int:
        return int(self._execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0])  # noqa: S608 - a name


def up_to(size: int | None, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows until the sum of their last columns exceeds this size (bytes or characters); that row is the last."""
    taken = 0
    for row in rows:
        yield row
        taken += len(row[-1])
        if size is not None and taken > size:
            return
