"""When a session starts its claude again, and when it leaves that to a person: no clock, no thread."""

from collections.abc import Callable

from actors.lib.backoff import uniform
from supervisors import Backoff, SlidingWindow

CRASHES = 5
CRASH_PERIOD = 600.0
"""More than so many crashes within so many seconds are a crash loop."""
RESPAWN = Backoff(initial=0.4, maximum=30.0)
"""After a crash."""
START = Backoff(initial=1.0, maximum=30.0, floor=0.5)
"""Where claude can't be started for want of something, such as memory or disk."""


class CrashWindow:
    """Counts the crashes of a session.

    Args:
        jitter: Draws the wait, between its bounds in seconds.
    """

    def __init__(self, jitter: Callable[[float, float], float] = uniform) -> None:
        self._window = SlidingWindow(CRASHES, CRASH_PERIOD)
        self._jitter = jitter

    def __len__(self) -> int:
        return len(self._window)

    def add(self, now: float) -> bool:
        """Count one more at this time of the monotonic clock; whether it is a loop."""
        return not self._window.admit(now)

    def delay(self) -> float:
        """Draw the seconds to wait before the next start: longer after each crash."""
        return self._jitter(*RESPAWN.bounds(len(self._window) - 1))

    def clear(self) -> None:
        """Forget the crashes: it has done something useful."""
        self._window.clear()
