"""The tables of events and of rejected input."""

from collections.abc import Iterator
from typing import Any, cast

from pydantic import ValidationError

from actors.journal.batching import Execute, Table, up_to
from actors.lib.text import skeleton
from actors.protocol.backend import InputRejected
from actors.protocol.events import MODELS, AnyNodeEvent, EventKind, NodeCompleted, NodeEvent

KINDS = 1_000
"""The number of the latest rejected inputs whose repetitions are recognised."""
REPEATED = "rejected again: "
"""The name, in front of a rejected input's number, of the count of those of its kind that followed."""


class Events(Table):
    """The history of events, and rejected input.

    Attributes:
        last: The number of the newest event; 0 if there is none.
    """

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self.last = self._last_number("events")
        self._last_rejected = self._last_number("rejected")
        self._kinds = self._known_kinds()
        self._counts = self._gather(
            "INSERT OR REPLACE INTO meta (name, value) SELECT key, value FROM json_each(?)"
        )
        self._notes = self._gather(
            "INSERT INTO events (number, at, source, kind, subject, agent, document)"
            " SELECT key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,"
            " CAST(value ->> 5 AS BLOB) FROM json_each(?)"
        )

    def add(
        self,
        *,
        at: float,
        source: str,
        kind: str,
        subject: str | None,
        agent: str | None,
        key: str | None,
        document: bytes,
    ) -> int | None:
        """Append an event; return its number, or None if its key is there already."""
        number = self.last + 1
        if key is None:
            self._notes.rows[str(number)] = (at, source, kind, subject, agent, document.decode())
        else:
            cursor = self._execute(
                "INSERT INTO events VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                (number, at, source, kind, subject, agent, key, document),
            )
            if not cursor.rowcount:
                return None
        self.last = number
        return number

    def after(self, number: int, limit: int, size: int | None = None) -> list[tuple[Any, ...]]:
        """Return events after this number, oldest first: (number, at, source, kind, subject, agent, document).

        Args:
            number: The number of the last known event.
            limit: The most events to return.
            size: The most bytes of documents; the event that exceeds them is the last.
        """
        self.flush()
        cursor = self._execute(
            "SELECT number, at, source, kind, subject, agent, document FROM events WHERE number > ?"
            " ORDER BY number LIMIT ?",
            (number, limit),
        )
        return list(up_to(size, cursor))

    def of_lost_nodes(self) -> Iterator[tuple[float, AnyNodeEvent]]:
        """Yield the events, with their times, of nodes that the graph's table lacks, oldest first."""
        for at, kind, document in self._execute(
            "SELECT at, kind, document FROM events WHERE source != 'coordinator' AND subject IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM nodes WHERE id = subject AND status != 'unknown') ORDER BY number"
        ):
            event = _node_event(kind, document)
            if event is not None:
                yield at, event

    def unpublished(self) -> Iterator[NodeCompleted]:
        """Yield the completions that were recorded here and are not among the publications."""
        for kind, document in self._execute(
            "SELECT kind, document FROM events WHERE source NOT IN ('backend', 'coordinator') AND key IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM publications WHERE publications.key = events.key) ORDER BY number"
        ):
            event = _node_event(kind, document)
            if isinstance(event, NodeCompleted):
                yield event

    def has_rejected(self, rejected: InputRejected) -> bool:
        """Return whether the very same input was rejected before, for the same reason."""
        cursor = self._execute(
            "SELECT 1 FROM rejected WHERE origin = ? AND reason = ? AND size = ? AND raw = ?",
            (rejected.origin, rejected.reason, rejected.size, rejected.raw),
        )
        return cursor.fetchone() is not None

    def reject(self, rejected: InputRejected, at: float) -> bool:
        """Keep input that can't be used, or count it if there is one of its kind; return whether it was kept."""
        kind = _kind_of(rejected.origin, rejected.reason)
        number = self._kinds.get(kind)
        if number is not None:
            self._counts.rows[f"{REPEATED}{number}"] = self._repeated(number) + rejected.count
            return False
        self._keep(rejected, at)
        self._kinds[kind] = self._last_rejected
        if len(self._kinds) > KINDS:
            del self._kinds[next(iter(self._kinds))]
        return True

    def _repeated(self, number: int) -> int:
        """Return how many more inputs of the kind of this one there were."""
        name = f"{REPEATED}{number}"
        if name in self._counts.rows:
            return int(self._counts.rows[name])
        row = self._execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def _known_kinds(self) -> dict[tuple[str, str], int]:
        rows = self._execute(
            "SELECT origin, reason, number FROM rejected ORDER BY number DESC LIMIT ?", (KINDS,)
        )
        return {_kind_of(origin, reason): number for origin, reason, number in reversed(rows.fetchall())}

    def _keep(self, rejected: InputRejected, at: float) -> None:
        self._last_rejected += 1
        self._execute(
            "INSERT INTO rejected (number, at, origin, reason, size, raw) VALUES (?,?,?,?,?,?)",
            (self._last_rejected, at, rejected.origin, rejected.reason, rejected.size, rejected.raw),
        )


def _kind_of(origin: str, reason: str) -> tuple[str, str]:
    """Return the key of inputs of one kind. A backend's differ in details only; a file's reason has its name."""
    return origin, skeleton(reason) if origin == "socket" else reason


def _node_event(kind: str, document: bytes) -> AnyNodeEvent | None:
    """Read a journaled event; None if it is not about a node, or can't be read."""
    model = MODELS.get(cast("EventKind", kind))  # None for kinds that aren't the backend's
    try:
        event = model.model_validate_json(document) if model else None
    except ValidationError:
        return None
    return event if isinstance(event, NodeEvent) else None
