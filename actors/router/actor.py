"""The router's actor: the owner and only writer of the dependency graph and the journal.

A thin actor around ``RouterParts``. Messages are handled in batches, with one commit for as many as wait, up to five
hundred. Their consequences are sent after the commit. If the router dies before it, nothing was sent, and the
supervisor gives the same messages to the next incarnation.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable

import structlog

from actors.lib.backoff import Retries
from actors.lib.errors import may_pass
from actors.protocol.base import Model
from actors.protocol.feed import FeedPage, FeedRequest, JournalRemoved, WritingPaused, WritingResumed
from actors.protocol.names import GATEWAY
from actors.protocol.router import ToGateway, ToRouter
from actors.router.parts import RouterParts, RouterSettings
from supervisors import Actor, ActorContext, Backoff

log = structlog.get_logger(__name__)

REWRITE = Backoff(initial=0.5, maximum=10.0, floor=1.0)
"""The wait before an unwritable journal is tried again."""
FEED_SECONDS = 0.2
"""The time that changes are gathered before subscribers are sent a page."""


class FeedDue(Model):
    """A reminder to itself to send the feed's subscribers their pages."""


class RouterActor(Actor):
    """The actor that handles all messages to the router.

    What must hold: nothing leaves the router before the commit that it follows from. So the messages of a batch can be
    handled again, by the next incarnation or after the journal was opened anew, and nobody notices.

    Args:
        context: The actor's context.
        settings: The router's settings.
        clock: Returns the time, in seconds since the epoch.
    """

    batch_size = 500

    def __init__(
        self, context: ActorContext, *, settings: RouterSettings, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(context)
        self._settings = settings
        self._clock = clock
        self._host = settings.host(context.system)
        self._parts: RouterParts | None = None
        self._feed_is_due = False
        self._batch: list[ToRouter | FeedDue] = []
        self._retries = Retries(REWRITE)

    @property
    def parts(self) -> RouterParts:
        """The plain classes, from the start to the exit.

        Raises:
            RuntimeError: The actor has not started.
        """
        if self._parts is None:
            raise RuntimeError("the router has not started")
        return self._parts

    def on_start(self) -> None:
        """Open the journal and resume what it says is open."""
        self._parts = RouterParts(self._settings, self._clock)
        self.parts.start()
        self.on_batch()
        self._tell_gateway(WritingResumed())

    def on_receive(self, message: ToRouter | FeedDue) -> None:
        """Handle one message; it stays in the batch until the commit."""
        self._batch.append(message)
        try:
            self._take(message)
        except (sqlite3.OperationalError, OSError) as error:
            self._wait_for_disk(error)

    def on_batch(self) -> None:
        """Commit, and only then send what follows."""
        while True:
            try:
                self.parts.commit()
                break
            except sqlite3.OperationalError as error:
                self._wait_for_disk(error)
        self._retries.reset()
        self._batch.clear()
        self.parts.outgoing.flush(self._tell, self._host)
        if not self._feed_is_due and self.parts.feed.is_wanted:
            self._feed_is_due = True
            self.tell_later(FEED_SECONDS, FeedDue())

    def _take(self, message: ToRouter | FeedDue) -> None:
        match message:
            case FeedDue():
                self._feed_is_due = False
                self._send(self.parts.feed.pages())
            case FeedRequest():
                if self.parts.feed.ask(message):  # it is catching up, so there is nothing to gather
                    self._send(self.parts.feed.page_for(message.subscriber))
            case JournalRemoved():
                self.parts.journal.touch()
            case _:
                self.parts.handle(message)

    def _wait_for_disk(self, error: sqlite3.OperationalError | OSError) -> None:
        """Wait until the journal can be written (mostly: until the disk isn't full), then handle the batch again.

        Nothing of the batch was sent to anybody yet. While the router waits its mailbox fills, and then the socket is
        no longer read: what isn't journaled isn't acknowledged either.

        Raises:
            sqlite3.OperationalError: The router is to stop first, or waiting can't help.
            OSError: The same.
        """
        since = self._clock()
        while True:
            if not may_pass(error):
                raise error
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            seconds = self._retries.failed()
            log.error("journal_not_written", reason=reason, retry_in=seconds)
            self._tell_gateway(WritingPaused(reason=reason, since=since))
            if self.wait_for_stop(seconds):
                raise error
            try:
                self._do_again()
            except (sqlite3.OperationalError, OSError) as again:
                error = again
            else:
                log.warning("journal_written_again", messages=len(self._batch))
                self._tell_gateway(WritingResumed())
                return

    def _do_again(self) -> None:
        """Roll the batch back, open the journal anew, test that it can be written, and handle the batch again."""
        self.parts.journal.close()
        self._parts = RouterParts(self._settings, self._clock, look=False)
        self.parts.journal.touch()
        self.parts.journal.commit()
        self.parts.start()
        for message in self._batch:
            self._take(message)

    def _tell(self, name: str, message: object) -> None:
        self.context.system.handle(name).tell(message)

    def _tell_gateway(self, message: ToGateway) -> None:
        """Tell the gateway at once, without a commit: people must know of a journal that can't be written."""
        self.context.system.handle(GATEWAY).tell(message)

    def on_exit(self, reason: BaseException | None) -> None:
        """Close the journal; what wasn't committed is rolled back, and will be handled again."""
        if self._parts is None:
            return
        try:
            if reason is None:
                self._send(self.parts.feed.pages(is_last=True))
                self._parts.outgoing.flush(self._tell, self._host)
        finally:
            self._parts.journal.close(in_order=reason is None)

    def _send(self, pages: Iterable[tuple[str, FeedPage]]) -> None:
        for subscriber, page in pages:
            self.parts.outgoing.tell(subscriber, page)
