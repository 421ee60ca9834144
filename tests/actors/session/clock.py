"""A session's clock that runs like the machine's, and that a test can advance."""

import threading
import time
from collections.abc import Callable

from supervisors import Actor, Handle, System
from supervisors.timers import Timer


class StageAlarm:
    """A timer message to an actor."""

    timer: Timer | None = None

    def __init__(self, lock: threading.Lock, handle: Handle, due: float, message: object) -> None:
        self.due = due
        self.message = message
        self.is_pending = True
        self._lock = lock
        self._handle = handle

    def ring(self) -> None:
        """Deliver it, once."""
        with self._lock:
            if self.is_pending:
                self.is_pending = False
                self._handle.tell(self.message)

    def cancel(self) -> None:
        """Cancel it."""
        with self._lock:
            self.is_pending = False


class StageClock:
    """A clock with its alarms.

    Attributes:
        draw: Returns a number between two: 0 unless a test sets it, so that nothing waits by chance.
    """

    draw: Callable[[float, float], float]

    def __init__(self) -> None:
        self.draw = lambda _low, _high: 0.0
        self._offset = 0.0
        self._alarms: list[StageAlarm] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Return the seconds of the machine's clock, plus those that it was advanced by."""
        return time.monotonic() + self._offset

    def time(self) -> float:
        """Return the same in seconds since the epoch."""
        return time.time() + self._offset

    def jitter(self, low: float, high: float, /) -> float:
        """Return the number that the test has chosen."""
        return self.draw(low, high)

    def tell_later(self, actor: Actor, seconds: float, message: object) -> StageAlarm:
        """Send a message once the machine's clock, or the test, has come so far."""
        alarm = StageAlarm(self._lock, actor.handle, self.monotonic() + seconds, message)
        with self._lock:
            self._alarms = [each for each in self._alarms if each.is_pending] + [alarm]
        system = actor.context.system
        assert isinstance(system, System)
        alarm.timer = system.timers.after(seconds, alarm.ring)
        return alarm

    def advance(self, seconds: float) -> None:
        """Advance it, and deliver in order what is due by then; the rest comes as late as it would have."""
        self._offset += seconds
        for alarm in sorted(self._alarms, key=lambda each: each.due):
            if alarm.due <= self.monotonic():
                alarm.ring()

    def pending(self, kind: type[object] = object) -> list[StageAlarm]:
        """Return the alarms of this kind that are still to come."""
        return [each for each in self._alarms if each.is_pending and isinstance(each.message, kind)]

    def left(self, kind: type[object]) -> float:
        """Return the seconds until the first alarm of this kind."""
        return min(each.due for each in self.pending(kind)) - self.monotonic()
