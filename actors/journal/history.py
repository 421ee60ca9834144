"""The history of events: recorded in the journal, and read as lines for the history file."""

from typing import Any, NamedTuple

import orjson

from actors.journal.journal import PAGE, Journal
from actors.protocol.backend import InputRejected

PAGE_BYTES = 1024 * 1024
"""The size of a page; the line that exceeds it is its last."""


class EventHistory:
    """The events in the journal, each recorded once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._page: Page | None = None

    def record(
        self,
        *,
        at: float,
        source: str,
        kind: str,
        subject: str | None = None,
        agent: str | None = None,
        key: str | None = None,
        document: bytes = b"{}",
    ) -> bool:
        """Append an event; return False if its key is known already."""
        number = self._journal.events.add(
            at=at, source=source, kind=kind, subject=subject, agent=agent, key=key, document=document
        )
        return number is not None

    def note(self, at: float, kind: str, subject: str | None, agent: str | None, **values: Any) -> None:  # noqa: ANN401 - JSON values
        """Append an event of the coordinator itself."""
        document = orjson.dumps(values)
        self.record(at=at, source="coordinator", kind=kind, subject=subject, agent=agent, document=document)

    def reject(self, rejected: InputRejected, at: float) -> bool:
        """Keep input that can't be used, and note it; of a kind that is known only count it.

        A file that can't be used stays where it is, and is found again at each start: it counts once.

        Returns:
            True if it is the first of its kind.
        """
        if rejected.origin == "file" and self._journal.events.has_rejected(rejected):
            return False
        if not self._journal.events.reject(rejected, at):
            return False
        self.note(at, "input.rejected", None, None, origin=rejected.origin, reason=rejected.reason)
        return True

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._journal.events.last

    def page_after(self, number: int) -> tuple[tuple[bytes, ...], int]:
        """Read a page of lines after this number, oldest first; return it with the number of its last line.

        The last page is cached, so that several subscribers at the same position cost no more than one.
        """
        page = self._page
        if page is None or page.after != number or not (page.is_full or page.newest == self.last):
            page = self._page = self._read(number)
        return page.lines, page.last

    def _read(self, number: int) -> "Page":
        rows = self._journal.events.after(number, PAGE, PAGE_BYTES)
        return Page(
            after=number,
            lines=tuple(_line(*row) for row in rows),
            last=rows[-1][0] if rows else number,
            newest=self.last,
            is_full=len(rows) == PAGE or sum(len(row[-1]) for row in rows) > PAGE_BYTES,
        )


class Page(NamedTuple):
    """A page of lines.

    Attributes:
        after: The number that it begins after.
        lines: The events, oldest first.
        last: The number of the last line.
        newest: The number of the newest event when it was read.
        is_full: True if it has reached the size of a page, so that later events don't belong to it.
    """

    after: int
    lines: tuple[bytes, ...]
    last: int
    newest: int
    is_full: bool


def _line(
    number: int, at: float, source: str, kind: str, subject: str | None, agent: str | None, document: bytes
) -> bytes:
    head = {"number": number, "at": at, "source": source, "event_type": kind, "id": subject, "agent": agent}
    return orjson.dumps(head)[:-1] + b',"payload":' + document + b"}"
