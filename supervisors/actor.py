"""The base class of all actors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from supervisors._pykka import Asked, Envelope, PykkaActor, is_withdrawn
from supervisors.mailbox import Suspect
from supervisors.reader import Last, Reader, Stop

if TYPE_CHECKING:
    from supervisors.context import ActorContext
    from supervisors.handle import Handle
    from supervisors.timers import Timer

__all__ = ["Actor"]


class Actor(PykkaActor):
    """An actor that a supervisor starts, watches and restarts.

    All its code runs in one thread: `__init__` (fail fast there), `on_start`, the handlers and
    `on_exit`. An exception anywhere ends this incarnation; only an `Exception` in the handler of an
    *ask* goes to the asker instead, and the actor continues.

    Attributes:
        batch_size: The most messages in one batch, which `on_batch` closes.
        supervises: True for a supervisor.
        drains: True if it handles the messages already waiting before it obeys its supervisor's stop.
        context: Its name, its address and its system.

    Example:
        A counter that commits once a batch::

            class Counter(Actor):
                batch_size = 50

                def on_start(self) -> None:
                    self.total = 0

                def on_receive(self, message: int) -> None:
                    self.total += message

                def on_batch(self) -> None:
                    save(self.total)
    """

    batch_size: ClassVar[int] = 1
    supervises: ClassVar[bool] = False
    drains: ClassVar[bool] = False

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context.life.reader.mailbox)
        self.context = context

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for hook in ("on_stop", "on_failure"):
            if hook in vars(cls):
                raise TypeError(f"{cls.__name__}.{hook} would never be called: use on_exit")
        for name in vars(cls):
            if name.startswith("_") and not name.startswith("__") and name in vars(Actor):
                raise TypeError(f"{cls.__name__}.{name} would take the place of what makes it an actor")

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.context.name}#{self.context.incarnation}"

    @property
    def handle(self) -> Handle:
        """The actor's own address."""
        return self.context.handle

    def on_start(self) -> None:
        """Prepare to receive messages. The supervisor waits until this returns."""

    def on_receive(self, message: Any) -> Any:  # noqa: ANN401  # messages are the actor's own
        """Handle one message. If it was an ask, the return value is the answer."""
        return super().on_receive(message)

    def on_batch(self) -> None:
        """Commit the batch. Called after `batch_size` messages, or when no more are waiting.

        The messages of the batch count as handled, and the asks among them are answered, only after this
        has returned. If the actor dies earlier, all of them are redelivered to the next incarnation.
        """

    def on_exit(self, reason: BaseException | None) -> None:
        """Close what the actor owns. Called exactly once, however the incarnation ends.

        Args:
            reason: None after an orderly stop, else the exception that ends it; `Abandoned` if its
                supervisor has given it up, so that a successor may already be running.
        """

    def stop(self, reason: BaseException | None = None) -> None:
        """End this incarnation after the current message: in an orderly way, or with `reason`."""
        self.context.life.reader.send(Stop(reason=reason))

    def tell_later(self, seconds: float, message: object) -> Timer:
        """Send a message to itself in `seconds`; cancelled if the incarnation ends before."""
        handle = self.context.handle
        return self.context.life.after(seconds, lambda: handle.tell(message))

    def wait_for_stop(self, seconds: float) -> bool:
        """Wait in a handler for `seconds`, but return True at once when the actor is told to end."""
        reader = self.context.life.reader
        until = time.monotonic() + seconds
        return reader.wait_until(lambda: reader.signal is not None, lambda: until)

    def _work(self, reader: Reader) -> None:
        """Handle messages until the actor is told to stop."""
        size = max(1, self.batch_size)
        # Most actors do nothing at the end of a batch, and then it needs no call.
        commits = type(self).on_batch is not Actor.on_batch
        while reader.next(size):
            self._handle(reader)
            while reader.more(size):
                self._handle(reader)
            if commits:
                self._commit(reader)

    def _handle(self, reader: Reader) -> None:
        """Handle the rest of the batch, until there is a signal."""
        batch = reader.batch
        for position in range(reader.handled, len(batch)):
            if reader.signal is not None:
                break
            item = batch[position]
            if type(item) is Suspect:
                item = item.item
            if type(item) is Envelope:
                self._handle_asked(item, reader)
            else:
                self.on_receive(item)
            reader.handled += 1

    def _handle_asked(self, asked: Asked, reader: Reader) -> None:
        if asked.reply_to is None:
            if isinstance(asked.message, Last):
                self._handle_last(asked.message)
            else:
                self._on_envelope(asked)
            return
        if is_withdrawn(asked):
            return
        try:
            reader.answer_later(asked, self._on_envelope(asked), None)
        except Exception as error:  # noqa: BLE001  # the asker gets every error
            reader.answer_later(asked, None, error)

    def _handle_last(self, last: Last) -> None:
        if last.incarnation == self.context.incarnation:  # one for an earlier incarnation is obsolete
            self.context.life.reader.send(last.stop)

    def _commit(self, reader: Reader) -> None:
        reader.check()
        if reader.handled:
            reader.committing = True
            self.on_batch()
