"""How one incarnation takes messages out of its name's mailbox, and how they go back when it dies."""

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
"""A message that has killed so many readers is not handed out any more."""


class Stop(NamedTuple):
    """End after the present message, and commit what was handled.

    Attributes:
        deadline: By when, on the monotonic clock; None for no hurry.
        reason: What to die of then; None for an orderly end.
    """

    deadline: float | None = None
    reason: BaseException | None = None


class Last(NamedTuple):
    """In the mailbox: whatever waits before this is to be handled before the stop.

    Attributes:
        incarnation: Whom it stops.
        stop: How.
    """

    incarnation: int
    stop: Stop


class InjectedFault(NamedTuple):
    """Die of this at once, before anything is committed."""

    reason: BaseException


class Dead(NamedTuple):
    """A message that killed its reader once too often."""

    message: Any
    killed: tuple[int, ...]


class Leftovers(NamedTuple):
    """What a dead reader could not put back.

    Attributes:
        asks: The asks that it died of; their askers are to get an error.
        dead: The messages for the dead letters.
    """

    asks: list[Asked]
    dead: list[Dead]


class _Answer(NamedTuple):
    asked: Asked
    value: Any
    error: Exception | None


class Reader:
    """The one who takes messages, for one incarnation.

    It is *fenced* at the end of the incarnation, also when the thread itself cannot be ended: from
    then on it takes nothing, and what it had taken and not settled is back in the mailbox.

    Attributes:
        signal: Asked for by others, and seen before the next message.
        batch: What was taken and is not settled yet.
        handled: How many of these went through their handler.
        committing: Whether `on_batch` runs.
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
        """Make the reader look again."""
        self._bell.put(None)

    def send(self, signal: Stop | InjectedFault) -> None:
        """Have the signal seen before the next message; only an orderly stop overrides a stop."""
        if not isinstance(self.signal, Stop) or (isinstance(signal, Stop) and signal.reason is None):
            self.signal = signal
        self.ring()

    def fence(self) -> Leftovers:
        """Take nothing any more, and put back what is not settled; does nothing the second time."""
        with self.mailbox.turn:
            if self._fenced:
                return Leftovers([], [])
            self._fenced = True
            if self.mailbox.bell is self._bell:
                self.mailbox.bell = None
            return self._put_back()

    # Called by the incarnation's own thread.

    def next(self, size: int) -> bool:
        """Settle the batch before, then wait for the next one and take up to `size` messages.

        Returns:
            False if a stop was asked for.

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
        """Take what has arrived meanwhile, until the batch holds `size` messages; never waits."""
        if len(self.batch) >= size or not self.mailbox.items or self.signal is not None:
            return False
        with self.mailbox.turn:
            if self._fenced or isinstance(self.batch[0], Suspect):
                return False
            self._take(size - len(self.batch))
        self.mailbox.taken()
        return True

    def answer_later(self, asked: Asked, value: Any, error: Exception | None) -> None:  # noqa: ANN401  # any
        """Answer an ask once its batch is settled: not before, for it may yet be handed over again."""
        self._answers.append(_Answer(asked, value, error))

    def check(self) -> None:
        """Make sure that the batch may still be committed.

        Raises:
            Abandoned: The reader is fenced, and its messages have gone to somebody else.
            BaseException: The one of an `InjectedFault`; no message is to blame for it.
        """
        if self._fenced:
            raise Abandoned(self.mailbox.name)
        if isinstance(self.signal, InjectedFault):
            self._blameless = True
            raise self.signal.reason

    def wait_until(self, done: Callable[[], bool], deadline: Callable[[], float | None]) -> bool:
        """Wait until `done()`, which is looked at whenever the reader is rung.

        Args:
            done: What to wait for.
            deadline: By when, on the monotonic clock (None for no limit); may change meanwhile.

        Returns:
            The last `done()`.
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
        """Count the batch as handled; returns the answers that may now be given."""
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
        if size == 1 or type(items[0]) is Suspect:  # a suspect is handled alone, so that a culprit is found
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
        """The position of the message that the reader died of, as far as one is known."""
        if self._blameless:
            return None
        if self.committing:
            return 0 if self.handled == 1 else None
        return self.handled if self.handled < len(self.batch) else None

    def _judge(self, entry: object, leftovers: Leftovers) -> list[Suspect]:
        item = _item(entry)
        killed = (*_killed(entry), self._incarnation)
        if isinstance(item, Envelope) and item.reply_to is not None:
            leftovers.asks.append(item)  # the asker hears of it, so it is not handed out again
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
