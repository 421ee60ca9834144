"""The table of publications."""

import orjson

from actors.journal.batching import Execute, Table
from actors.journal.conditions import PUBLICATION_WAITING
from actors.protocol.backend import Publish


class Outbox(Table):
    """The outbox: our own events on their way to the backend."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._last = self._last_number("publications")

    def add(self, publication: Publish) -> int:
        """Queue one; return its number, or the newest number if its key is there already."""
        cursor = self._execute(
            "INSERT OR IGNORE INTO publications (number, key, event_type, payload, state) VALUES (?,?,?,?,'waiting')",
            (self._last + 1, publication.key, publication.event_type, orjson.dumps(publication.payload)),
        )
        self._last += cursor.rowcount
        return self._last

    def waiting(self, limit: int, after: int = 0) -> list[tuple[int, Publish]]:
        """Return the oldest publications that wait after this number, each with its number."""
        rows = self._execute(
            "SELECT number, key, event_type, payload FROM publications"  # noqa: S608 - our own words
            f" WHERE {PUBLICATION_WAITING} AND number > ? ORDER BY number LIMIT ?",
            (after, limit),
        )
        return [
            (row[0], Publish(key=row[1], event_type=row[2], payload=orjson.loads(row[3]))) for row in rows
        ]

    def completed(self, key: str) -> str | None:
        """Return the id of the node whose completion was published under this key, or None."""
        row = self._execute(
            "SELECT payload FROM publications WHERE key = ? AND event_type LIKE '%.completed'", (key,)
        ).fetchone()
        return None if row is None else orjson.loads(row[0])["id"]

    def has(self, key: str) -> bool:
        """Return whether one was published, or is to be, under this key."""
        return self._execute("SELECT 1 FROM publications WHERE key = ?", (key,)).fetchone() is not None

    def resolve(self, key: str, state: str, reason: str | None = None) -> None:
        """Record the end of a waiting publication: ``published``, ``sent`` or ``refused``."""
        self._execute(
            f"UPDATE publications SET state = ?, reason = ? WHERE key = ? AND {PUBLICATION_WAITING}",  # noqa: S608 - our own words
            (state, reason, key),
        )
