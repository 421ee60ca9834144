"""Retries: how often something has failed in a row, and how long to wait before the next attempt."""

import random
from collections.abc import Callable

from supervisors import Backoff


def uniform(low: float, high: float) -> float:
    """Draw a number between these two."""
    return random.uniform(low, high)  # noqa: S311 - no secret hangs on it


class Retries:
    """Counts the failures in a row.

    Args:
        policy: How long to wait after how many.
        limit: Give up after so many (0: never).
        jitter: Draws the wait, between its bounds in seconds.

    Attributes:
        failures: How many there were.
    """

    def __init__(
        self, policy: Backoff, *, limit: int = 0, jitter: Callable[[float, float], float] = uniform
    ) -> None:
        self._policy = policy
        self._limit = limit
        self._jitter = jitter
        self.failures = 0

    @property
    def exhausted(self) -> bool:
        """Whether to give up."""
        return 0 < self._limit <= self.failures

    @property
    def longest(self) -> float:
        """The longest wait of all, in seconds."""
        return self._policy.maximum

    def failed(self) -> float:
        """Count one failure more; returns the seconds to wait."""
        self.failures += 1
        return self.delay()

    def delay(self) -> float:
        """Draw the seconds to wait: longer after each failure."""
        return self._jitter(*self._policy.bounds(max(0, self.failures - 1)))

    def reset(self) -> None:
        """Count anew."""
        self.failures = 0
