"""The hub: distributes live events to bounded subscriptions. It belongs to the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence

from backend.change import StoredEvent

BATCH = 64
"""Most events in a batch; between two batches, other subscribers get their turn."""


class Subscription:
    """A bounded queue of events for one subscriber. A slow subscriber is dropped, not waited for.

    Args:
        channels: the channels to receive.
        limit: the most characters that may wait. A single event is accepted whatever its size.
        on_overflow: called once the limit is exceeded; the subscription accepts nothing from then on.
    """

    def __init__(self, channels: Collection[str], limit: int, on_overflow: Callable[[], None]) -> None:
        self.channels = frozenset(channels)
        self._limit = limit
        self._on_overflow = on_overflow
        self._overflowed = False
        self._waiting: deque[str] = deque()
        self._size = 0
        self._arrived = asyncio.Event()

    def offer(self, event: StoredEvent) -> None:
        """Queue an event, or report an overflow if there is no room for it."""
        if event.channel not in self.channels or self._overflowed:
            return
        if self._waiting and self._size + len(event.text) > self._limit:
            self._overflowed = True
            self._on_overflow()
            return
        self._waiting.append(event.text)
        self._size += len(event.text)
        self._arrived.set()

    async def take(self) -> list[str]:
        """Wait for events, and return up to a batch of them."""
        await self._arrived.wait()
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self._size -= sum(map(len, batch))
        if not self._waiting:
            self._arrived.clear()
        return batch


class Hub:
    """Distributes committed events to the subscribers.

    Attributes:
        last_seq: the last event distributed. A reader that reads the history up to here and then joins, without
            an `await` in between, misses no event and gets none twice.
    """

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self._subscriptions: set[Subscription] = set()

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Queue the events of one change for the subscribers. Never waits."""
        for event in events:
            self.last_seq = event.seq
            for subscription in self._subscriptions:
                subscription.offer(event)

    def join(self, subscription: Subscription) -> None:
        """Add a subscription; it receives every event from now on."""
        self._subscriptions.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription; do nothing if it never joined."""
        self._subscriptions.discard(subscription)
