"""Unexpected ends of the program: the words for a person, and the time until the next start."""

from dataclasses import dataclass

from actors.session.clock import Clock
from actors.session.drive import Exited
from supervisors import Backoff, SlidingWindow

CRASHES, CRASH_PERIOD = 5, 600.0
"""More crashes than this within so many seconds are a crash loop, and the session is blocked."""
RESPAWN = Backoff(initial=0.4, maximum=30.0)
"""The wait before the next start: longer after each crash."""
NOISE_TAIL = 500
"""The end of the program's standard error that a person is shown, in characters."""


@dataclass(frozen=True, slots=True)
class UnexpectedEnd:
    """One unexpected end of the program.

    Attributes:
        detail: What happened, for a person.
        seconds: How long to wait before the next start, or None in a crash loop.
    """

    detail: str
    seconds: float | None


class Crashes:
    """The crashes of a session's program since it last ended a turn.

    Args:
        clock: Gives the time of each crash, and the jitter of the waits.
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
        """Forget all crashes, since a turn has ended or a person has unblocked the session."""
        self._window.clear()


def describe_exit(code: int) -> str:
    """Name an exit code, or the signal that ended a process."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
