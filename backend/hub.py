"""The live side of the history: who is listening, and what waits for them. It belongs to the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence

from backend.change import StoredEvent

BATCH = 64
"""How many events are taken at once at most: between two batches the others get their turn."""


class Subscription:
    """The events that wait for one subscriber, bounded: one that does not keep up is dropped, not waited for.

    Args:
        channels: what it is to hear of.
        limit: how many characters may wait. A single event is taken whatever its size.
        on_overflow: is called once the limit is passed; the subscription takes nothing from then on.
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
        """Puts an event behind those that wait, or notes that there is no room for it."""
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
        """The next events, up to a batch; waits until there is one."""
        await self._arrived.wait()
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self._size -= sum(map(len, batch))
        if not self._waiting:
            self._arrived.clear()
        return batch


class Hub:
    """Hands committed events to the subscribers.

    Attributes:
        last_seq: the last event handed out. Who reads the history up to here and then joins, without awaiting
            anything in between, misses nothing.
    """

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self._subscriptions: set[Subscription] = set()

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Hands out the events of one change; waits for nobody."""
        for event in events:
            self.last_seq = event.seq
            for subscription in self._subscriptions:
                subscription.offer(event)

    def join(self, subscription: Subscription) -> None:
        """From here on the subscription hears everything."""
        self._subscriptions.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        """Forgets a subscription; one that never joined is forgotten already."""
        self._subscriptions.discard(subscription)
