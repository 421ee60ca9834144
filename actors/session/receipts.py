"""The deliveries in a session that aren't over: their states, attempts, and the times at which receipts are overdue.

Plain classes without a clock: the caller brings the time.
"""

from dataclasses import dataclass

from actors.protocol.deliveries import ORDER, Delivery, DeliveryState
from supervisors import Backoff

REMEMBERED = 10_000
"""Completed deliveries that are remembered: the router may resend one before it hears of the completion."""
MOST_DOUBLINGS = 6
GROWTH = Backoff(initial=1.0, maximum=2.0**MOST_DOUBLINGS)
"""The time that a later attempt's receipt may take, as a multiple of the first one's."""


@dataclass(slots=True)
class InFlight:
    """One delivery in the session.

    Attributes:
        attempts: How often it was written.
        spent: How many of these were before a person retried it.
        written_at: When it was last written, in seconds of the monotonic clock; None while it waits.
    """

    delivery: Delivery
    state: DeliveryState
    attempts: int
    spent: int = 0
    written_at: float | None = None

    @property
    def tries(self) -> int:
        """The number of attempts since it was last queued."""
        return self.attempts - self.spent


def was_retried(delivery: Delivery) -> bool:
    """Return whether this is a dead letter that a person has retried: written before, and queued again."""
    return delivery.state is DeliveryState.QUEUED and delivery.attempts > 0


class Receipts:
    """The deliveries that a session has been given and that aren't over, in their order.

    Args:
        seconds: How long the first receipt may take; twice as long after each further attempt, up to 64 times.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._items: dict[str, InFlight] = {}
        self._completed: dict[str, None] = {}

    def add(self, delivery: Delivery) -> InFlight | None:
        """Add a delivery; return None if it is there already, or was completed before."""
        if delivery.id in self._items or delivery.id in self._completed:
            return None
        spent = delivery.attempts if was_retried(delivery) else 0
        item = InFlight(delivery, delivery.state, delivery.attempts, spent)
        self._items[delivery.id] = item
        return item

    def get(self, delivery_id: str) -> InFlight | None:
        """Return a delivery that isn't over, or None."""
        return self._items.get(delivery_id)

    def move(self, delivery_id: str, state: DeliveryState) -> bool:
        """Move a delivery forward; return False where it has come as far already, or is over."""
        item = self._items.get(delivery_id)
        if item is None or ORDER[state] <= ORDER[item.state]:
            return False
        item.state = state
        if state.is_final:
            del self._items[delivery_id]
        if state is DeliveryState.COMPLETED:
            self._remember(delivery_id)
        return True

    def all(self) -> list[InFlight]:
        """Return all of them, in the order in which they came."""
        return list(self._items.values())

    def overdue(self, now: float) -> list[InFlight]:
        """Return those that were written and whose receipt is overdue."""
        return [item for item in self._items.values() if (due := self.due(item)) is not None and due <= now]

    def next_due(self) -> float | None:
        """Return the time at which the next receipt will be overdue, or None if none is owed."""
        return min(
            (due for item in self._items.values() if (due := self.due(item)) is not None), default=None
        )

    def due(self, item: InFlight) -> float | None:
        """Return the time at which this one's receipt will be overdue, or None if it owes none."""
        if item.written_at is None or item.state is not DeliveryState.WRITTEN:
            return None
        return item.written_at + self._seconds * GROWTH.delay(max(0, item.tries - 1), 1.0)

    def clear(self) -> None:
        """Forget all of them, also those that were completed."""
        self._items.clear()
        self._completed.clear()

    def _remember(self, delivery_id: str) -> None:
        self._completed[delivery_id] = None
        if len(self._completed) > REMEMBERED:
            del self._completed[next(iter(self._completed))]

    def __bool__(self) -> bool:
        return bool(self._items)
