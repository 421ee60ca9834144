"""When to try again, and when to leave it to a person. Plain classes without clocks or threads."""

import random
from collections import deque
from collections.abc import Callable

CRASHES = 5
CRASH_PERIOD = 600.0
"""More than so many crashes within so many seconds are a crash loop."""
FIRST_RESPAWN, LONGEST_RESPAWN = 0.4, 30.0
FIRST_START, LONGEST_START = 1.0, 30.0


class CrashWindow:
    """Counts the crashes of a session.

    Args:
        jitter: Draws a number between two.
    """

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter
        self._times: deque[float] = deque()

    def __len__(self) -> int:
        return len(self._times)

    def add(self, now: float) -> bool:
        """One more, at this time of the monotonic clock; whether it is a loop."""
        self._times.append(now)
        while self._times[0] < now - CRASH_PERIOD:
            self._times.popleft()
        return len(self._times) > CRASHES

    def delay(self) -> float:
        """Seconds to wait before the next start: longer after each crash, with full jitter."""
        return self._jitter(0, min(LONGEST_RESPAWN, FIRST_RESPAWN * 2 ** (len(self._times) - 1)))

    def clear(self) -> None:
        """It has done something useful."""
        self._times.clear()


class Retries:
    """Counts what has failed, one time after the other, and may succeed later.

    Args:
        first: The longest wait after the first failure, in seconds; twice as long after each further one.
        longest: The longest wait of all, in seconds.
        jitter: Draws a number between two.
    """

    def __init__(
        self, first: float, longest: float, jitter: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._jitter = jitter
        self._first = first
        self._longest = longest
        self.failures = 0

    def add(self) -> float:
        """One more; the seconds to wait before the next attempt."""
        self.failures += 1
        most = min(self._longest, self._first * 2 ** min(self.failures - 1, 30))
        return self._jitter(most / 2, most)

    def clear(self) -> None:
        """It went well."""
        self.failures = 0
