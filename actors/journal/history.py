"""The history of events, in the journal, and as lines for the file that people read."""

from typing import Any, NamedTuple

import orjson

from actors.journal.journal import PAGE, Journal
from actors.protocol.backend import InputRejected

PAGE_BYTES = 1024 * 1024
"""A page of lines ends with the one that exceeds this."""


class EventHistory:
    """Records events once, and reads them again as lines."""

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
        """Append an event; False if the same key is there already."""
        number = self._journal.events.add(
            at=at, source=source, kind=kind, subject=subject, agent=agent, key=key, document=document
        )
        return number is not None

    def note(self, at: float, kind: str, subject: str | None, agent: str | None, **values: Any) -> None:  # noqa: ANN401 - JSON values
        """Append something that the coordinator itself has to say."""
        document = orjson.dumps(values)
        self.record(at=at, source="coordinator", kind=kind, subject=subject, agent=agent, document=document)

    def reject(self, rejected: InputRejected, at: float) -> None:
        """Keep what couldn't be used, and say so."""
        self._journal.events.reject(rejected, at)
        self.note(at, "input.rejected", None, None, origin=rejected.origin, reason=rejected.reason)

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._journal.events.last

    def page_after(self, number: int) -> tuple[tuple[bytes, ...], int]:
        """Read a page of lines behind this number, oldest first, and the number of the last of them.

        The newest page is kept, so that several subscribers at the same place cost no more than one.
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
    """A page of lines that was read.

    Attributes:
        after: The number that it begins behind.
        lines: Each an event, oldest first.
        last: The number of the last of them.
        newest: The number of the newest event when it was read.
        is_full: Whether it has as many lines as a page may have, so that later events don't belong to it.
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
