"""Ends of the program that nobody had asked for: what a person is told of one, and when to start again."""

from dataclasses import dataclass

from actors.session.clock import Clock
from actors.session.drive import Exited
from supervisors import Backoff, SlidingWindow

CRASHES, CRASH_PERIOD = 5, 600.0
"""More than so many crashes within so many seconds are a crash loop, which is left to a person."""
RESPAWN = Backoff(initial=0.4, maximum=30.0)
"""How long to wait before the next start: longer after each crash."""
NOISE_TAIL = 500
"""How much of what the program said on its standard error a person is told, in characters."""


@dataclass(frozen=True, slots=True)
class UnexpectedEnd:
    """An end that nobody had asked for.

    Attributes:
        detail: What happened, for a person.
        seconds: How long to wait before the next start, or None if it crashes again and again.
    """

    detail: str
    seconds: float | None


class Crashes:
    """Counts the crashes of a session's program since it last did something useful.

    Args:
        clock: Tells when they happen, and spreads the waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = SlidingWindow(CRASHES, CRASH_PERIOD)

    def add(self, exited: Exited) -> UnexpectedEnd:
        """Count one more."""
        noise = exited.noise[-NOISE_TAIL:]
        detail = f"claude ended by itself with {describe_exit(exited.code)}" + (f": {noise}" if noise else "")
        is_bearable = self._window.admit(self._clock.monotonic())
        count = len(self._window)
        if not is_bearable:
            return UnexpectedEnd(f"{detail}; it crashed {count} times in a row", None)
        return UnexpectedEnd(detail, self._clock.jitter(*RESPAWN.bounds(count - 1)))

    def clear(self) -> None:
        """Forget them: it has done something useful, or a person says that the reason is gone."""
        self._window.clear()


def describe_exit(code: int) -> str:
    """Name an exit code, or the signal that ended a process."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
