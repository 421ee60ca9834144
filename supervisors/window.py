"""A sliding window in which events are counted."""

from __future__ import annotations

from collections import deque

__all__ = ["SlidingWindow"]


class SlidingWindow:
    """Counts events, such as restarts or crashes, and detects too many within a period.

    It has no clock: the caller passes the time.

    Args:
        limit: The most events within the period.
        period: The length of the window in seconds; an event that is exactly so old still counts.
    """

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._period = period
        self._times: deque[float] = deque()

    def __len__(self) -> int:
        return len(self._times)

    def admit(self, now: float) -> bool:
        """Count one event at `now` (seconds on a monotonic clock); return False if it is one too many."""
        self._times.append(now)
        while self._times[0] < now - self._period:
            self._times.popleft()
        return len(self._times) <= self._limit

    def clear(self) -> None:
        """Forget all events."""
        self._times.clear()
