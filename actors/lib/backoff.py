"""Counted retries, with a growing wait between attempts."""

import random
from collections.abc import Callable

from supervisors import Backoff


def uniform(low: float, high: float) -> float:
    """Draw a random number between these two."""
    return random.uniform(low, high)  # noqa: S311 - no secret depends on it


class Retries:
    """A counter of consecutive failures that says how long to wait.

    Args:
        policy: The bounds of the wait after each number of failures.
        limit: The number of failures after which to give up (0: never).
        jitter: Draws the wait between its bounds, in seconds.

    Attributes:
        failures: The number of consecutive failures.
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
        """True if it is time to give up."""
        return 0 < self._limit <= self.failures

    @property
    def longest(self) -> float:
        """The longest possible wait, in seconds."""
        return self._policy.maximum

    def failed(self) -> float:
        """Count a failure and return the wait, in seconds."""
        self.failures += 1
        return self.delay()

    def delay(self) -> float:
        """Draw the wait, in seconds: longer after each failure."""
        return self._jitter(*self._policy.bounds(max(0, self.failures - 1)))

    def reset(self) -> None:
        """Forget all failures."""
        self.failures = 0
