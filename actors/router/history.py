"""The history of events, in the journal and as lines for the file that people read."""

from typing import Any

import orjson

from actors.messages import InputRejected
from actors.router.journal import Journal

PAGE = 1000
"""How many lines go into one message where the file has to catch up."""


class History:
    """Records events once, and keeps their lines until the mirror takes them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lines: list[bytes] = []

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
        if number is None:
            return False
        self._lines.append(_line(number, at, source, kind, subject, agent, document))
        return True

    def note(self, at: float, kind: str, subject: str | None, agent: str | None, **values: Any) -> None:  # noqa: ANN401 - JSON values
        """Append something that the coordinator itself has to say."""
        document = orjson.dumps(values)
        self.record(at=at, source="coordinator", kind=kind, subject=subject, agent=agent, document=document)

    def reject(self, rejected: InputRejected, at: float) -> None:
        """Keep what couldn't be used, and say so."""
        self._journal.events.reject(rejected, at)
        self.note(at, "input.rejected", None, None, origin=rejected.origin, reason=rejected.reason)

    @property
    def has_lines(self) -> bool:
        """Whether there are lines to take."""
        return bool(self._lines)

    def take_lines(self) -> tuple[bytes, ...]:
        """The lines since the last call."""
        lines, self._lines = self._lines, []
        return tuple(lines)

    def lines_after(self, number: int) -> tuple[bytes, ...]:
        """One page of lines behind this number, from the journal."""
        return tuple(_line(*row) for row in self._journal.events.after(number, PAGE))


def _line(
    number: int, at: float, source: str, kind: str, subject: str | None, agent: str | None, document: bytes
) -> bytes:
    head = {"number": number, "at": at, "source": source, "event_type": kind, "id": subject, "agent": agent}
    return orjson.dumps(head)[:-1] + b',"payload":' + document + b"}"
