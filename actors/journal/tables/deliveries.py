"""The table of deliveries."""

from collections.abc import Iterable, Sequence
from typing import Any

from actors.journal.batching import Execute, Table
from actors.journal.conditions import BEGINS, CANDIDATES, DEAD_LETTER, DELIVERY_OPEN
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep

ASSIGNING = tuple(kind.value for kind in DeliveryKind if kind.assigns)
MOST_WORDS = 50
"""The number of earlier messages that are given again in a new conversation."""
COLUMNS = "number, id, agent, kind, subtask_id, text, state, attempts"
ADDED = ("number", "agent", "subtask_id", "queued_at")
MOVING = (
    "kind", "text", "document", "state", "attempts", "receipt", "reason",
    "handed_at", "written_at", "accepted_at", "started_at", "completed_at",
)  # fmt: skip
"""The columns that change while a delivery is on its way; none is reset to NULL meanwhile."""
STAMPS = {state: f"{state.value}_at" for state in DeliveryState} | {
    DeliveryState.WITHDRAWN: "completed_at",
    DeliveryState.DEAD: "completed_at",
}
Numbered = tuple[int, Delivery]


def _delivery(row: tuple[Any, ...]) -> Numbered:
    number, delivery_id, agent, kind, subtask_id, text, state, attempts = row
    return number, Delivery(
        id=delivery_id,
        agent=agent,
        kind=kind,
        subtask_id=subtask_id,
        text=text,
        state=state,
        attempts=attempts,
    )


def _values(names: Iterable[str]) -> str:
    return ", ".join(f"value ->> '{name}'" for name in names)


def _newer(names: Iterable[str]) -> str:
    return ", ".join(f"{name} = coalesce(value ->> '{name}', {name})" for name in names)


class Deliveries(Table):
    """The deliveries, in the order in which they were queued.

    A delivery waits until ``hand_over``, is outstanding until its final step, and is a dead letter from then on if that
    step was ``dead``, until ``requeue`` or ``drop``.
    """

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._last = self._last_number("deliveries")
        columns = ADDED + MOVING
        self._added = self._gather(
            f"INSERT INTO deliveries (id, {', '.join(columns)}) SELECT key, {_values(columns)} FROM json_each(?)"  # noqa: S608 - names
        )
        self._moved = self._gather(
            f"UPDATE deliveries SET {_newer(MOVING)} FROM json_each(?) WHERE deliveries.id = key"  # noqa: S608 - names
        )

    def add(self, delivery: Delivery, at: float) -> int:
        """Queue one; return its number, which is its position in the agent's queue."""
        self._last += 1
        row = {
            "number": self._last,
            "agent": delivery.agent,
            "kind": delivery.kind,
            "subtask_id": delivery.subtask_id,
            "queued_at": at,
            "text": delivery.text,
            "document": delivery.document,
            "state": DeliveryState.QUEUED,
            "attempts": 0,
        }
        if delivery.document:  # too large to be copied into JSON with the others
            self.flush()
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            self._execute(
                f"INSERT INTO deliveries (id, {names}) VALUES (?, {marks})",  # noqa: S608 - names
                (delivery.id, *row.values()),
            )
        else:
            self._added.rows[delivery.id] = row
        return self._last

    def hand_over(self, delivery: Delivery, at: float) -> None:
        """Record that it goes to its session with this text, which is the same on every retry."""
        row = self._row(delivery.id)
        row.update(kind=delivery.kind.value, text=delivery.text, handed_at=at)
        if delivery.kind.assigns:  # it was composed just now; words have theirs since they were queued
            row["document"] = delivery.document

    def step(self, step: DeliveryStep, at: float) -> None:
        """Record one step forward, or the one back to ``QUEUED``, which takes the evidence back."""
        row = self._row(step.delivery_id)
        row["state"] = step.state
        if step.state is DeliveryState.QUEUED:
            row["receipt"] = ""
        else:
            row[STAMPS[step.state]] = at
        if step.receipt is not None:
            row["receipt"] = step.receipt
        if step.reason is not None:
            row["reason"] = step.reason
        if step.attempts is not None:
            row["attempts"] = step.attempts

    def document(self, delivery_id: str) -> str:
        """Read the whole context of a delivery whose text is a shortened one; empty for another."""
        self.flush()
        row = self._execute("SELECT document FROM deliveries WHERE id = ?", (delivery_id,)).fetchone()
        return str(row[0]) if row else ""

    def find_dead(self, beginning: str) -> list[Delivery]:
        """Return the dead letters whose ids begin with this, at most ``CANDIDATES``."""
        return [
            delivery
            for _, delivery in self._select(f"{BEGINS} AND {DEAD_LETTER} LIMIT {CANDIDATES}", (beginning,))
        ]

    def requeue(self, delivery_id: str) -> Numbered:
        """Queue a dead letter again, behind all others; its number of attempts stays above zero."""
        self.flush()
        self._last += 1
        self._execute(
            "UPDATE deliveries SET number = ?, state = 'queued',"
            " attempts = max(attempts, 1), reason = NULL, handed_at = NULL, completed_at = NULL WHERE id = ?",
            (self._last, delivery_id),
        )
        return self._select("id = ?", (delivery_id,))[0]

    def drop(self, delivery_id: str, at: float) -> None:
        """Drop a dead letter; it stays in the journal."""
        self.flush()
        self._execute("UPDATE deliveries SET dropped_at = ? WHERE id = ?", (at, delivery_id))

    def count(self, delivery_id: str, attempts: int) -> None:
        """Record another attempt to write it."""
        self._row(delivery_id)["attempts"] = attempts

    def _row(self, delivery_id: str) -> dict[str, Any]:
        row: dict[str, Any] | None = self._added.rows.get(delivery_id)
        return self._moved.rows.setdefault(delivery_id, {}) if row is None else row

    def handed(self, agent: str) -> list[Numbered]:
        """Return the deliveries that are outstanding in the agent's session, in order."""
        return self._select(
            f"agent = ? AND {DELIVERY_OPEN} AND handed_at IS NOT NULL ORDER BY number", (agent,)
        )

    def waiting(self, agent: str, *, assigning: bool, after: int, limit: int) -> list[Numbered]:
        """Return the deliveries that wait after this number, in order: assignments, or all others."""
        which = "IN" if assigning else "NOT IN"
        return self._select(
            f"agent = ? AND number > ? AND {DELIVERY_OPEN} AND handed_at IS NULL"
            f" AND kind {which} {ASSIGNING} ORDER BY number LIMIT ?",
            (agent, after, limit),
        )

    def open_of(self, agent: str, limit: int) -> tuple[list[Numbered], int]:
        """Return the agent's oldest open deliveries, and the number of them all."""
        where = f"agent = ? AND {DELIVERY_OPEN}"
        found = self._select(f"{where} ORDER BY number LIMIT ?", (agent, limit))
        (count,) = self._execute(f"SELECT count(*) FROM deliveries WHERE {where}", (agent,)).fetchone()  # noqa: S608 - our own words
        return found, count

    def times(self, delivery_ids: Sequence[str]) -> dict[str, float]:
        """Return the times at which these were queued, in seconds since the epoch."""
        marks = ", ".join("?" * len(delivery_ids))
        rows = self._execute(f"SELECT id, queued_at FROM deliveries WHERE id IN ({marks})", delivery_ids)  # noqa: S608 - marks only
        return dict(rows.fetchall())

    def of_subtask(self, subtask_id: str, agent: str) -> list[Numbered]:
        """Return the deliveries about this subtask that wait for this agent."""
        return self._select(
            f"subtask_id = ? AND agent = ? AND {DELIVERY_OPEN} AND handed_at IS NULL ORDER BY number",
            (subtask_id, agent),
        )

    def words_before(self, agent: str, subtask_id: str, began_at: float) -> list[str]:
        """Return the messages that an agent got since it was first given this subtask, in an earlier conversation.

        Args:
            agent: The agent.
            subtask_id: The subtask.
            began_at: The beginning of the present conversation.

        Returns:
            The texts of the last ``MOST_WORDS``, oldest first.
        """
        self.flush()
        rows = self._execute(
            f"SELECT text FROM deliveries WHERE agent = ? AND kind = 'message' AND state = 'completed'"  # noqa: S608
            " AND handed_at < ? AND number > (SELECT min(number) FROM deliveries"
            f" WHERE subtask_id = ? AND agent = ? AND kind IN {ASSIGNING}) ORDER BY number DESC LIMIT {MOST_WORDS}",
            (agent, began_at, subtask_id, agent),
        )
        return [text for (text,) in rows][::-1]

    def first_given(self, agent: str, subtask_id: str) -> float:
        """Return when anything about the subtask was first handed over to the agent; 0.0: never."""
        self.flush()
        (at,) = self._execute(
            "SELECT min(handed_at) FROM deliveries WHERE subtask_id = ? AND agent = ?", (subtask_id, agent)
        ).fetchone()
        return float(at or 0.0)

    def agents(self) -> list[str]:
        """Return the agents that have open deliveries."""
        self.flush()
        rows = self._execute(f"SELECT DISTINCT agent FROM deliveries WHERE {DELIVERY_OPEN} ORDER BY agent")  # noqa: S608
        return [agent for (agent,) in rows]

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Numbered]:
        self.flush()
        cursor = self._execute(f"SELECT {COLUMNS} FROM deliveries WHERE {where}", values)  # noqa: S608
        return [_delivery(row) for row in cursor]
