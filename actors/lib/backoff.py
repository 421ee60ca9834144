"""When to try again: full jitter, under a bound that doubles from one second to thirty."""

import random

FIRST, LONGEST = 1.0, 30.0
"""Bounds of the delay in seconds: after the first failure, and at most."""


class Retry:
    """Counts the attempts that failed in a row.

    Args:
        limit: Give up after so many (0: never).
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._failed = 0

    @property
    def exhausted(self) -> bool:
        """Whether to give up."""
        return 0 < self._limit <= self._failed

    def failed(self) -> None:
        """An attempt failed."""
        self._failed += 1

    def reset(self) -> None:
        """Begin to count anew."""
        self._failed = 0

    def delay(self) -> float:
        """Seconds to wait: drawn evenly, so that many clients of one backend don't come back together."""
        bound = min(LONGEST, FIRST * 2 ** min(max(self._failed - 1, 0), 10))
        return random.uniform(0, bound)  # noqa: S311 - no secret hangs on it
