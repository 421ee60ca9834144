"""A table for people, which fits the width of its output."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNWRAPPED = 10_000
"""The width in columns without a terminal, so that each row is one line for other programs."""
WHOLE = frozenset(
    {
        "#",
        "agent",
        "at",
        "delivery",
        "in hand",
        "number",
        "queued",
        "since",
        "state",
        "subject",
        "subtask",
        "took",
    }
)
"""Columns that stay on one line."""
DISPENSABLE = ("took", "tries", "receipt", "from", "bytes", "since", "queued", "#", "subject")
"""Columns to leave out, in this order, when a terminal is too narrow for whole words."""

GAP = 2
"""Blanks between columns."""


class Listing:
    """A table with these columns.

    Args:
        columns: Their names.
    """

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """Append a row: one cell for each column, in rich's markup."""
        self._rows.append(cells)

    def put(self, console: Console) -> None:
        """Print the table, with as many columns as fit."""
        left = list(self._columns)
        for name in DISPENSABLE:
            if sum(self._width(each, console) for each in left) + GAP * (len(left) - 1) <= console.width:
                break
            left = [each for each in left if each != name]
        table = self._table(left)
        if console.is_terminal:
            console.print(table)
            return
        with console.capture() as drawn:
            console.print(table)
        for line in drawn.get().splitlines():  # other programs need no blanks behind the last column
            console.out(line.rstrip(), highlight=False)

    def _width(self, column: str, console: Console) -> int:
        """Return the least width of a column at which no word is broken."""
        place, unbounded = self._columns.index(column), console.options.update(max_width=UNWRAPPED)
        found = [
            Measurement.get(console, unbounded, cell)
            for cell in (column, *(row[place] for row in self._rows))
        ]
        return max(each.maximum if column in WHOLE else each.minimum for each in found)

    def _table(self, columns: list[str]) -> Table:
        found = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
        for column in columns:
            found.add_column(column, overflow="fold", no_wrap=column in WHOLE)
        for row in self._rows:
            found.add_row(*(cell for name, cell in zip(self._columns, row, strict=True) if name in columns))
        return found
