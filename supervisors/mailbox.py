"""The messages that wait for a name: they outlive the actors that read them.

Any thread may add messages, without a lock: a deque's `append` is one atomic step under the
interpreter's lock. Only one `Reader` at a time takes them. A reader that finds nothing sets `idle`
and then looks once more; a writer appends and then looks at `idle`; so one of the two always sees
the other, and no message is overslept.
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
    """A message that was taken before, by a reader that died.

    Attributes:
        item: The message, or its envelope.
        killed: The incarnations that died while they handled it; empty if it was only near.
    """

    item: Any
    killed: tuple[int, ...] = ()


class _Waiter(NamedTuple):
    limit: int
    room: threading.Event


class Mailbox:
    """A queue that belongs to a name.

    Attributes:
        name: Whose it is.
        items: What waits, the oldest first: plain messages, `Asked` envelopes, and, only at the
            front, `Suspect`s.
        turn: Held by whoever takes from the front or puts back there.
        idle: Whether the reader waits to be woken.
        bell: Rings in the thread of whoever reads at present; None if nobody does.
        alive: Whether the present incarnation has started and not ended.
        incarnations: How many there have been.
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
        """Refuse, for only a `Reader` reads; pykka's inbox has this method.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a mailbox is read through its reader")

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.items

    def ring(self) -> None:
        """Wake the reader."""
        self.idle = False
        bell = self.bell
        if bell is not None:
            bell.put(None)

    def put_ask(self, asked: Asked) -> None:
        """Add an ask; it is answered at once with `NotRunning` if nobody is expected to read it."""
        self.put(asked)
        if self._closed:  # looked at after the put: either we or `close` sees the other
            refuse(asked, NotRunning(self.name))

    def close(self) -> None:
        """Nobody will read for now: answer all asks with `NotRunning`. What was told goes on waiting."""
        self._closed = True
        for item in list(self.items):  # a copy in one atomic step
            asked = item.item if type(item) is Suspect else item
            if isinstance(asked, Envelope):
                refuse(asked, NotRunning(self.name))

    def open(self) -> None:
        """Somebody will read (again)."""
        self._closed = False

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Block until fewer than `limit` messages wait; False if that took over `timeout` seconds."""
        if len(self.items) < limit:
            return True
        deadline = time.monotonic() + timeout
        waiter = _Waiter(limit, threading.Event())
        self._waiters.append(waiter)
        try:
            while len(self.items) >= limit:  # looked at after the append, like `idle`
                if not waiter.room.wait(max(0.0, deadline - time.monotonic())):
                    return False
                waiter.room.clear()
        finally:
            self._waiters.remove(waiter)
        return True

    def taken(self) -> None:
        """Tell those who wait for room that messages were taken."""
        if self._waiters:
            waiting = len(self.items)
            for waiter in tuple(self._waiters):
                if waiting < waiter.limit:
                    waiter.room.set()
