"""The wait until all work is done."""

import threading
import time
from pathlib import Path

from watchfiles import watch

from actors.journal.conditions import DELIVERY_OPEN
from tools.chaos.looking import look

QUIET = 30.0
"""Seconds without any change after which no more is expected."""
Left = dict[str, int]


class Settling:
    """Checks the journal and the backend whenever one of them is written.

    Args:
        journal: The journal's file.
        backend: The backend's database.
    """

    def __init__(self, journal: Path, backend: Path) -> None:
        self._journal, self._backend = journal, backend

    def wait(self, seconds: float) -> Left:
        """Wait until no work is left, or nothing changes any more, and return the work that is left."""
        deadline = time.monotonic() + seconds
        left, seen, changed = self._left(), None, time.monotonic()
        stop = threading.Event()
        changes = watch(
            self._journal.parent, self._backend.parent,
            recursive=False, stop_event=stop, debounce=100, step=50, rust_timeout=1000, yield_on_timeout=True,
        )  # fmt: skip
        for _ in changes:
            left = self._left()
            now = time.monotonic()
            if (look := self._look()) != seen:
                seen, changed = look, now
            if not any(left.values()) or now > deadline or now - changed > QUIET:
                stop.set()
        return left

    def _left(self) -> Left:
        with_journal = {
            "subtasks": "SELECT count(*) FROM nodes WHERE status IN ('unknown', 'open')",
            "deliveries": f"SELECT count(*) FROM deliveries WHERE {DELIVERY_OPEN}",  # noqa: S608 - our own words
            "publications": "SELECT count(*) FROM publications WHERE state = 'waiting'",
        }
        left = {name: _ask(self._journal, statement) for name, statement in with_journal.items()}
        said = _ask(self._backend, "SELECT coalesce(max(seq), 0) FROM events")
        heard = _ask(self._journal, "SELECT coalesce(max(value), 0) FROM meta WHERE name = 'cursor'")
        return left | {"events": said - heard}

    def _look(self) -> tuple[int, ...]:
        events = _ask(self._journal, "SELECT coalesce(max(number), 0) FROM events")
        return (events, *self._left().values())


def _ask(path: Path, question: str) -> int:
    rows = look(path, question)
    return int(rows[0][0]) if rows else -1
