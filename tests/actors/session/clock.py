"""A session's clock that runs as the machine's does, and that a test can put forward."""

import threading
import time
from collections.abc import Callable

from supervisors import Actor, Handle, System
from supervisors.timers import Timer


class StageAlarm:
    """Something that an actor will be told."""

    timer: Timer | None = None

    def __init__(self, lock: threading.Lock, handle: Handle, due: float, message: object) -> None:
        self.due = due
        self.message = message
        self.is_pending = True
        self._lock = lock
        self._handle = handle

    def ring(self) -> None:
        """Tell it, once."""
        with self._lock:
            if self.is_pending:
                self.is_pending = False
                self._handle.tell(self.message)

    def cancel(self) -> None:
        """Never tell it."""
        with self._lock:
            self.is_pending = False


class StageClock:
    """A clock, and the alarms that hang on it.

    Attributes:
        draw: Draws a number between two: 0 unless a test says otherwise, so that nothing waits by chance.
    """

    draw: Callable[[float, float], float]

    def __init__(self) -> None:
        self.draw = lambda _low, _high: 0.0
        self._offset = 0.0
        self._alarms: list[StageAlarm] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """The seconds, with those that it was put forward."""
        return time.monotonic() + self._offset

    def time(self) -> float:
        """The same since the epoch."""
        return time.time() + self._offset

    def jitter(self, low: float, high: float, /) -> float:
        """What the test has drawn."""
        return self.draw(low, high)

    def tell_later(self, actor: Actor, seconds: float, message: object) -> StageAlarm:
        """Tell an actor something when the machine's clock, or the test, has come so far."""
        alarm = StageAlarm(self._lock, actor.handle, self.monotonic() + seconds, message)
        with self._lock:
            self._alarms = [each for each in self._alarms if each.is_pending] + [alarm]
        system = actor.context.system
        assert isinstance(system, System)
        alarm.timer = system.timers.after(seconds, alarm.ring)
        return alarm

    def advance(self, seconds: float) -> None:
        """Put it forward; what is due by then is told now, in order. The rest comes as late as it would have."""
        self._offset += seconds
        for alarm in sorted(self._alarms, key=lambda each: each.due):
            if alarm.due <= self.monotonic():
                alarm.ring()

    def pending(self, kind: type[object] = object) -> list[StageAlarm]:
        """The alarms of this kind that are still to come."""
        return [each for each in self._alarms if each.is_pending and isinstance(each.message, kind)]

    def left(self, kind: type[object]) -> float:
        """The seconds until the first of this kind."""
        return min(each.due for each in self.pending(kind)) - self.monotonic()
