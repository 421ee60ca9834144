"""The table of delivery steps, for subscribers of the feed."""

import orjson

from actors.journal.batching import Execute, Table, up_to
from actors.protocol.deliveries import Delivery, DeliveryState, DeliveryStep

KEPT = 20_000
"""The number of rows that are kept; a subscriber that is further behind misses older steps."""
EVERY = 1_000
"""The number of rows after which the oldest are deleted."""


FIELDS = ("at", "delivery_id", "agent", "kind", "subtask_id", "state", "receipt", "reason", "attempts")
"""The values of a step, in their order; those that are unknown are null."""


class Steps(Table):
    """The steps of deliveries: one row for each commit with steps, a JSON list of lists of ``FIELDS``, oldest first.

    A row for each step would cost a statement each on the router's busiest path. Steps are written by ``flush`` only,
    at the commit, so that nobody sees a part of a row.

    Attributes:
        last: The number of the newest row; 0 if there was none.
    """

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self.last = self._last_number("steps")
        self._gathered: list[tuple[object, ...]] = []

    def add(self, delivery: Delivery, step: DeliveryStep, at: float) -> None:
        """Gather a step of this delivery."""
        self._gathered.append((
            at, delivery.id, delivery.agent, delivery.kind, delivery.subtask_id,
            step.state, step.receipt, step.reason, step.attempts,
        ))  # fmt: skip

    def add_queued(self, delivery: Delivery, at: float) -> None:
        """Gather the first step of this delivery, which was queued or requeued."""
        self._gathered.append((
            at, delivery.id, delivery.agent, delivery.kind, delivery.subtask_id,
            DeliveryState.QUEUED, None, None, None,
        ))  # fmt: skip

    def flush(self) -> None:
        """Write the row of this commit; once, before the commit."""
        if not self._gathered:
            return
        self.last += 1
        self._execute(
            "INSERT INTO steps (number, document) VALUES (?,?)", (self.last, orjson.dumps(self._gathered))
        )
        self._gathered.clear()
        if self.last % EVERY == 0:
            self._execute("DELETE FROM steps WHERE number <= ?", (self.last - KEPT,))

    def after(self, number: int, limit: int, size: int | None = None) -> list[tuple[int, bytes]]:
        """Read rows after this number, oldest first: each its number and its list of steps.

        Args:
            number: The number of the last known row.
            limit: The most rows to return.
            size: The most bytes; the row that exceeds them is the last.
        """
        cursor = self._execute(
            "SELECT number, document FROM steps WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
        )
        return [(row[0], row[1]) for row in up_to(size, cursor)]
