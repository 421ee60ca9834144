"""The clock of a session, handed in so that a test can have its own."""

import random
import time
from typing import Protocol

from supervisors import Actor


class Alarm(Protocol):
    """Something that a session will be told, unless it is cancelled before."""

    @property
    def due(self) -> float:
        """When, in seconds of the monotonic clock."""

    def cancel(self) -> None:
        """Make sure that it isn't told any more."""


class Clock(Protocol):
    """What a session knows of time and chance."""

    def monotonic(self) -> float:
        """Tell the seconds of a clock that never goes back."""

    def time(self) -> float:
        """Tell the seconds since the epoch."""

    def jitter(self, low: float, high: float, /) -> float:
        """Draw a number between these."""

    def tell_later(self, actor: Actor, seconds: float, message: object) -> Alarm:
        """Tell an actor something, so many seconds from now; never once this incarnation of it has ended."""


class SystemClock:
    """The machine's clock, and the timers of the actors' system."""

    def monotonic(self) -> float:
        """Tell the seconds of a clock that never goes back."""
        return time.monotonic()

    def time(self) -> float:
        """Tell the seconds since the epoch."""
        return time.time()

    def jitter(self, low: float, high: float, /) -> float:
        """Draw a number between these."""
        return random.uniform(low, high)  # noqa: S311 - no secret hangs on it

    def tell_later(self, actor: Actor, seconds: float, message: object) -> Alarm:
        """Tell an actor something, so many seconds from now."""
        return actor.tell_later(seconds, message)
