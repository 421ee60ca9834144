"""The reader: takes messages out of a mailbox for one incarnation, and puts them back when it dies.

What must hold, and why:

- A message leaves the mailbox for good only when its batch is settled, after `on_batch` has committed it. A
  reader that dies earlier puts the batch back at the front, in its order, so nothing is lost.
- An ask is answered only after its batch is settled. An earlier answer could claim something that is then undone.
- A fenced reader takes, settles and answers nothing. An abandoned thread may come back at any time, while its
  successor already handles the same messages; the fence is set and checked under the mailbox's lock.
- A message that was in the batch of a dead reader is handled alone the next time, as a `Suspect`. So a message
  that kills its reader is found, and becomes a dead letter after `MAX_KILLS` deaths instead of killing for ever.
- A death without a culprit (a commit of several messages, an injected fault) is blamed on no message.
"""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from supervisors._pykka import Asked, Envelope, answer, fail
from supervisors.errors import Abandoned
from supervisors.mailbox import Mailbox, Suspect

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Dead", "InjectedFault", "Last", "Leftovers", "Reader", "Stop"]

MAX_KILLS = 2
"""A message that has killed this many readers becomes a dead letter."""


class Stop(NamedTuple):
    """A signal to end after the current message, and to commit what was handled.

    Attributes:
        deadline: The latest time, on the monotonic clock; None for no limit.
        reason: The exception to end with; None for an orderly end.
    """

    deadline: float | None = None
    reason: BaseException | None = None


class Last(NamedTuple):
    """A mark in the mailbox: the messages before it are handled before the stop.

    Attributes:
        incarnation: The incarnation that it stops.
        stop: The signal to send then.
    """

    incarnation: int
    stop: Stop


class InjectedFault(NamedTuple):
    """A signal to fail at once with `reason`, before anything is committed."""

    reason: BaseException


class Dead(NamedTuple):
    """A message that killed too many readers."""

    message: Any
    killed: tuple[int, ...]


class Leftovers(NamedTuple):
    """The messages that a dead reader could not put back.

    Attributes:
        asks: The asks that killed it; their askers get an error.
        dead: The messages for the dead letters.
    """

    asks: list[Asked]
    dead: list[Dead]


class _Answer(NamedTuple):
    asked: Asked
    value: Any
    error: Exception | None


class Reader:
    """Takes messages out of a mailbox for one incarnation.

    It is *fenced* at the end of the incarnation, also when the thread itself cannot be ended. From then on it
    takes nothing, and the messages that it had taken but not settled are back in the mailbox.

    Attributes:
        signal: Set by other threads, and checked before each message.
        batch: The messages taken and not settled yet.
        handled: The number of these that went through their handler.
        committing: True while `on_batch` runs.
    """

    def __init__(self, mailbox: Mailbox, incarnation: int) -> None:
        self.mailbox = mailbox
        self.signal: Stop | InjectedFault | None = None
        self.batch: list[Any] = []
        self.handled = 0
        self.committing = False
        self._answers: list[_Answer] = []
        self._incarnation = incarnation
        self._fenced = False
        self._blameless = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        with mailbox.turn:
            mailbox.bell = self._bell

    # Called by any thread.

    def ring(self) -> None:
        """Wake the reader, so that it checks its signal and its mailbox."""
        self._bell.put(None)

    def send(self, signal: Stop | InjectedFault) -> None:
        """Set the signal, which is seen before the next message. Only an orderly stop overrides a stop."""
        if not isinstance(self.signal, Stop) or (isinstance(signal, Stop) and signal.reason is None):
            self.signal = signal
        self.ring()

    def fence(self) -> Leftovers:
        """Take no more messages, and put back those that are not settled. Do nothing the second time."""
        with self.mailbox.turn:
            if self._fenced:
                return Leftovers([], [])
            self._fenced = True
            if self.mailbox.bell is self._bell:
                self.mailbox.bell = None
            return self._put_back()

    # Called by the incarnation's own thread.

    def next(self, size: int) -> bool:
        """Settle the previous batch, then wait for messages and take up to `size`.

        Returns:
            False if there was a signal to stop.

        Raises:
            Abandoned: The reader is fenced.
            BaseException: The reason of the signal.
        """
        mailbox = self.mailbox
        while True:
            with mailbox.turn:
                signal = self.signal
                answers = self._settle(signal)
                if signal is None and mailbox.items:
                    self._take(size)
                    break
                mailbox.idle = signal is None
            _give(answers)
            if signal is not None:
                if signal.reason is None:
                    return False
                raise signal.reason
            if not mailbox.items:
                self._bell.get()
        if answers:
            _give(answers)
        mailbox.taken()
        return True

    def more(self, size: int) -> bool:
        """Add messages that have arrived meanwhile, until the batch holds `size`. Never waits."""
        if len(self.batch) >= size or not self.mailbox.items or self.signal is not None:
            return False
        with self.mailbox.turn:
            if self._fenced or isinstance(self.batch[0], Suspect):
                return False
            self._take(size - len(self.batch))
        self.mailbox.taken()
        return True

    def answer_later(self, asked: Asked, value: Any, error: Exception | None) -> None:  # noqa: ANN401  # any
        """Answer an ask once its batch is settled. Until then the message may still be redelivered."""
        self._answers.append(_Answer(asked, value, error))

    def check(self) -> None:
        """Make sure that the batch may still be committed.

        Raises:
            Abandoned: The reader is fenced, and its messages belong to its successor.
            BaseException: The reason of an `InjectedFault`; no message is to blame for it.
        """
        if self._fenced:
            raise Abandoned(self.mailbox.name)
        if isinstance(self.signal, InjectedFault):
            self._blameless = True
            raise self.signal.reason

    def wait_until(self, done: Callable[[], bool], deadline: Callable[[], float | None]) -> bool:
        """Wait until `done()` holds. It is evaluated whenever `ring` wakes the reader.

        Args:
            done: The condition.
            deadline: Returns the latest time, on the monotonic clock (None for no limit); may change meanwhile.

        Returns:
            True if `done()` holds, False if the deadline has passed.
        """
        while not done():
            end = deadline()
            wait = None if end is None else end - time.monotonic()
            if wait is not None and wait <= 0:
                return False
            try:
                self._bell.get(timeout=wait)
            except Empty:
                continue
        return True

    def _settle(self, signal: Stop | InjectedFault | None) -> list[_Answer]:
        """Count the batch as handled, and return the answers that may now be given."""
        if self._fenced:
            raise Abandoned(self.mailbox.name)
        if signal is not None and self.handled < len(self.batch):
            self.mailbox.items.extendleft(reversed(self.batch[self.handled :]))
        self.batch = []
        self.handled = 0
        self.committing = False
        answers = self._answers
        if answers:
            self._answers = []
        return answers

    def _take(self, size: int) -> None:
        items = self.mailbox.items
        if size == 1 or type(items[0]) is Suspect:  # handled alone, so that a culprit is found
            self.batch.append(items.popleft())
        else:
            self.batch.extend([items.popleft() for _ in range(min(size, len(items)))])

    def _put_back(self) -> Leftovers:
        leftovers = Leftovers([], [])
        culprit = self._culprit()
        back: list[Any] = []
        for position, entry in enumerate(self.batch):
            if position == culprit:
                back += self._judge(entry, leftovers)
            else:
                back.append(Suspect(_item(entry), _killed(entry)) if position < self.handled else entry)
        self.mailbox.items.extendleft(reversed(back))
        self.batch = []
        self._answers = []
        return leftovers

    def _culprit(self) -> int | None:
        """Return the position of the message that killed the reader; None if none is known."""
        if self._blameless:
            return None
        if self.committing:
            return 0 if self.handled == 1 else None
        return self.handled if self.handled < len(self.batch) else None

    def _judge(self, entry: object, leftovers: Leftovers) -> list[Suspect]:
        item = _item(entry)
        killed = (*_killed(entry), self._incarnation)
        if isinstance(item, Envelope) and item.reply_to is not None:
            leftovers.asks.append(item)  # the asker gets the error, so it is not redelivered
        elif len(killed) >= MAX_KILLS:
            leftovers.dead.append(Dead(item.message if isinstance(item, Envelope) else item, killed))
        else:
            return [Suspect(item, killed)]
        return []


def _give(answers: list[_Answer]) -> None:
    for asked, value, error in answers:
        if error is None:
            answer(asked, value)
        else:
            fail(asked, error)


def _item(entry: Any) -> Any:  # noqa: ANN401  # messages are the actors' own
    return entry.item if type(entry) is Suspect else entry


def _killed(entry: object) -> tuple[int, ...]:
    return entry.killed if type(entry) is Suspect else ()
