"""The clock of a session, handed in so that a test can have its own."""

import random
import time
from typing import Protocol

from supervisors import Actor


class Alarm(Protocol):
    """A timer message that is on its way, until it is delivered or cancelled."""

    @property
    def due(self) -> float:
        """The time of delivery, in seconds of the monotonic clock."""

    def cancel(self) -> None:
        """Cancel it: the message isn't delivered any more."""


class Clock(Protocol):
    """The time and the random numbers of a session."""

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""

    def time(self) -> float:
        """Return the seconds since the epoch."""

    def jitter(self, low: float, high: float, /) -> float:
        """Return a random number between these."""

    def tell_later(self, actor: Actor, seconds: float, message: object) -> Alarm:
        """Send an actor a message so many seconds from now, unless this incarnation of it has ended by then."""


class SystemClock:
    """The machine's clock, and the timers of the actors' system."""

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""
        return time.monotonic()

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def jitter(self, low: float, high: float, /) -> float:
        """Return a random number between these."""
        return random.uniform(low, high)  # noqa: S311 - no secret hangs on it

    def tell_later(self, actor: Actor, seconds: float, message: object) -> Alarm:
        """Send an actor a message so many seconds from now."""
        return actor.tell_later(seconds, message)
