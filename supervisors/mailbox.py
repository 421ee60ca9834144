"""Mailboxes, which belong to names and outlive the actors that read them.

Any thread may add messages, without a lock: a deque's `append` is one atomic step under the
interpreter's lock. Only one `Reader` at a time takes them. A reader that finds nothing sets `idle`
and then checks once more; a writer appends and then checks `idle`. So one of the two always sees
the other, and the reader never sleeps while a message waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from supervisors._pykka import Asked, Envelope, refuse
from supervisors.errors import NotRunning

if TYPE_CHECKING:
    from queue import SimpleQueue

__all__ = ["Mailbox", "Suspect"]


class Suspect(NamedTuple):
    """A message that a reader took before it died.

    Attributes:
        item: The message, or its envelope.
        killed: The incarnations that died while they handled it; empty if it was only in the same batch.
    """

    item: Any
    killed: tuple[int, ...] = ()


class _Waiter(NamedTuple):
    limit: int
    room: threading.Event


class Mailbox:
    """A queue that belongs to a name.

    Attributes:
        name: The name that it belongs to.
        items: The waiting entries, oldest first: plain messages, `Asked` envelopes, and, only at the
            front, `Suspect`s.
        turn: The lock for taking from the front and putting back there.
        idle: True while the reader waits to be woken.
        bell: Wakes the present reader; None if there is none.
        alive: True while the present incarnation runs.
        incarnations: The number of incarnations so far.
    """

    __slots__ = ("_closed", "_waiters", "alive", "bell", "idle", "incarnations", "items", "name", "turn")

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: deque[Any] = deque()
        self.turn = threading.Lock()
        self.idle = False
        self.bell: SimpleQueue[None] | None = None
        self.alive = False
        self.incarnations = 0
        self._closed = False
        self._waiters: list[_Waiter] = []

    def put(self, item: Any, /) -> None:  # noqa: ANN401  # messages are the actors' own
        """Add a message; never blocks. The name is pykka's, whose refs write here too."""
        self.items.append(item)
        if self.idle:
            self.ring()

    def get(self) -> NoReturn:
        """Refuse, because only a `Reader` reads; pykka's inbox has this method.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a mailbox is read through its reader")

    def empty(self) -> bool:
        """Tell whether the mailbox is empty."""
        return not self.items

    def ring(self) -> None:
        """Wake the reader."""
        self.idle = False
        bell = self.bell
        if bell is not None:
            bell.put(None)

    def put_ask(self, asked: Asked) -> None:
        """Add an ask; if no reader is expected, it is answered at once with `NotRunning`."""
        self.put(asked)
        if self._closed:  # checked after the put: either this or `close` sees the other
            refuse(asked, NotRunning(self.name))

    def close(self) -> None:
        """Answer all asks with `NotRunning`, because no reader is expected. Told messages go on waiting."""
        self._closed = True
        for item in list(self.items):  # a copy in one atomic step
            asked = item.item if type(item) is Suspect else item
            if isinstance(asked, Envelope):
                refuse(asked, NotRunning(self.name))

    def open(self) -> None:
        """Accept asks (again), because a reader is expected."""
        self._closed = False

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Block until fewer than `limit` messages wait; return False after `timeout` seconds."""
        if len(self.items) < limit:
            return True
        deadline = time.monotonic() + timeout
        waiter = _Waiter(limit, threading.Event())
        self._waiters.append(waiter)
        try:
            while len(self.items) >= limit:  # checked after the append, like `idle`
                if not waiter.room.wait(max(0.0, deadline - time.monotonic())):
                    return False
                waiter.room.clear()
        finally:
            self._waiters.remove(waiter)
        return True

    def taken(self) -> None:
        """Wake the threads in `wait_for_room` whose limit is met, after messages were taken."""
        if self._waiters:
            waiting = len(self.items)
            for waiter in tuple(self._waiters):
                if waiting < waiter.limit:
                    waiter.room.set()
