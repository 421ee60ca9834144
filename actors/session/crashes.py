"""Unexpected ends of the program: the words for a person, and the time until the next start."""

from dataclasses import dataclass

from actors.session.clock import Clock
from actors.session.drive import Exited
from supervisors import Backoff

RESPAWN = Backoff(initial=0.4, maximum=900.0)
"""The wait before the next start: longer after each crash."""
ENDS = 9
"""More ends with an exit code than this, in a row, are a crash loop: the session is blocked, after some 3 minutes."""
KILLS = 20
"""The same for ends by a signal: somebody or something outside kills the program, and may stop; some 3 hours."""
HANGS = 2
"""The same for ends because of a silence that was too long: each costs ``SILENCE_SECONDS`` already."""
CALM_SECONDS = 600.0
"""A process that ran for so long counts as sound: the count begins anew after it."""
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
    """The crashes of a session's program in a row, since it last ended a turn or ran for long.

    Args:
        clock: Gives the time of each crash, and the jitter of the waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_at = clock.monotonic()
        self.clear()

    def started(self) -> None:
        """Note a start of the program."""
        self._started_at = self._clock.monotonic()

    def add(self, exited: Exited, *, was_hung: bool) -> UnexpectedEnd:
        """Count one more.

        Args:
            exited: The end.
            was_hung: True where the program was killed because of a silence that was too long.
        """
        if not was_hung and self._clock.monotonic() - self._started_at >= CALM_SECONDS:
            self._ends = self._kills = 0
        self._hangs += was_hung
        self._kills += exited.code < 0 and not was_hung
        self._ends += exited.code >= 0
        count = self._ends + self._kills + self._hangs
        noise = exited.noise[-NOISE_TAIL:]
        what = "claude was considered hung and killed" if was_hung else "claude ended by itself"
        detail = f"{what} with {describe_exit(exited.code)}" + (f": {noise}" if noise else "")
        if self._ends > ENDS or self._kills > KILLS or self._hangs > HANGS:
            return UnexpectedEnd(f"{detail}; it ended so {count} times in a row", None)
        return UnexpectedEnd(detail, self._clock.jitter(*RESPAWN.bounds(count - 1)))

    def clear(self) -> None:
        """Forget all crashes, since a turn has ended or a person has unblocked the session."""
        self._ends = self._kills = self._hangs = 0


def describe_exit(code: int) -> str:
    """Name an exit code, or the signal that ended a process."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
