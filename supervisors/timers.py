"""Timers: one thread and one heap for all of them."""

from __future__ import annotations

import heapq
import threading
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Timer", "Timers"]

_FEW = 64  # cancelled timers that are not worth cleaning up


class Timer:
    """A call in the future that can be cancelled."""

    __slots__ = ("_timers", "call", "due", "group")

    def __init__(self, timers: Timers, due: float, call: Callable[[], None], group: set[Timer]) -> None:
        self._timers = timers
        self.due = due
        self.call: Callable[[], None] | None = call
        self.group = group

    def cancel(self) -> None:
        """Cancel the call; do nothing if it has happened or was cancelled before."""
        self._timers.cancel(self)


class Timers:
    """All timers of one system. Its thread sleeps exactly until the next one is due.

    The thread starts with the first timer. Times are seconds on the monotonic clock.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = count()  # keeps timers of the same instant in the order they were made
        self._cancelled = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, seconds: float, call: Callable[[], None], group: set[Timer] | None = None) -> Timer:
        """Call `call` in the timers' thread, `seconds` from now.

        Args:
            seconds: Below 0 counts as 0.
            call: Must be quick and must not raise.
            group: A set that holds the timer as long as it is pending (see `cancel_group`).

        Returns:
            The timer; one that never fires if the timers are closed.
        """
        timer = Timer(self, time.monotonic() + max(0.0, seconds), call, set() if group is None else group)
        with self._changed:
            if self._closed:
                timer.call = None
                return timer
            timer.group.add(timer)
            heapq.heappush(self._heap, (timer.due, next(self._numbers), timer))
            if self._heap[0][2] is timer:
                self._changed.notify()
            self._ensure_thread()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Cancel a timer; see `Timer.cancel`."""
        with self._changed:
            self._cancel(timer)

    def cancel_group(self, group: set[Timer]) -> None:
        """Cancel all pending timers of a group."""
        with self._changed:
            for timer in tuple(group):
                self._cancel(timer)

    def close(self) -> None:
        """Cancel all timers, and return when the thread has ended."""
        with self._changed:
            self._closed = True
            for _, _, timer in self._heap:
                timer.call = None
                timer.group.clear()
            self._heap.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="actor-timers", daemon=True)
            self._thread.start()

    def _cancel(self, timer: Timer) -> None:
        if timer.call is None:
            return
        timer.call = None
        timer.group.discard(timer)
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled > len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[2].call is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _run(self) -> None:
        while (call := self._next()) is not None:
            call()

    def _next(self) -> Callable[[], None] | None:
        """Wait until a timer is due, and take it; return None when closed."""
        with self._changed:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                elif (wait := self._heap[0][0] - time.monotonic()) > 0 and self._heap[0][2].call is not None:
                    self._changed.wait(wait)
                elif (call := self._pop()) is not None:
                    return call
        return None

    def _pop(self) -> Callable[[], None] | None:
        _, _, timer = heapq.heappop(self._heap)
        call, timer.call = timer.call, None
        timer.group.discard(timer)
        if call is None:
            self._cancelled -= 1
        return call
