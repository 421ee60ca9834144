"""The router: owns the dependency graph and the journal, and is the only one who writes them.

A thin actor around ``Desk``. Messages are handled in groups: one commit for as many as wait, up to five
hundred. What they lead to is said after the commit; if the router dies before it, nothing was said and
the supervisor hands the same messages to the next incarnation.
"""

import sqlite3
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from actors.graph.graph import Graph
from actors.journal.history import History
from actors.journal.journal import Journal, may_pass
from actors.protocol.base import Model
from actors.protocol.feed import FeedRequest, JournalRemoved, WritingPaused, WritingResumed
from actors.protocol.names import GATEWAY
from actors.router.context import ContextBuilder
from actors.router.dispatch import Dispatch
from actors.router.feed import Feed
from actors.router.handlers import Desk
from actors.router.outgoing import Outgoing
from actors.router.publisher import Publisher
from actors.router.recovery import make_whole
from actors.router.reports import Reports
from actors.router.turns import ReadResult, Turns
from actors.router.workflow import Workflow
from supervisors import Actor, ActorContext, ChildSpec

log = structlog.get_logger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds before an unwritable journal is tried again."""
FEED_SECONDS = 0.2
"""How long changes are gathered before the subscribers of the feed are sent a page."""


class FeedDue(Model):
    """To itself: send pages to those who have asked."""


@dataclass(frozen=True)
class RouterSettings:
    """What the router needs to know.

    Attributes:
        journal: The journal's file.
        context: Writes the contexts.
        session: The child spec of an agent's session actor.
        read_result: Reads a subtask's result file.
        shown: The number that the history file ends with.
        auto_start: Start sessions as they are needed.
        queue_size: How many deliveries of one agent are held in memory.
        agents: The agents that have a prompt; None: any may have one.
    """

    journal: Path | str
    context: ContextBuilder
    session: Callable[[str], ChildSpec]
    read_result: ReadResult
    shown: Callable[[], int] = lambda: 0
    auto_start: bool = True
    queue_size: int = 100
    agents: Callable[[], Collection[str] | None] = lambda: None


class RouterParts:
    """The plain classes behind the router, put together; usable without any actor."""

    def __init__(
        self, settings: RouterSettings, clock: Callable[[], float] = time.time, *, look: bool = True
    ) -> None:
        self.journal = journal = Journal(settings.journal, settings.shown, look=look)
        self.outgoing = outgoing = Outgoing()
        self.graph = graph = Graph(journal.nodes.find, journal.nodes.load_open())
        self.history = history = History(journal)
        if journal.loss is not None:
            history.note(clock(), journal.loss.kind, None, None, detail=journal.loss.detail)
        self.publisher = publisher = Publisher(journal, outgoing)
        self.dispatch = dispatch = Dispatch(
            journal,
            graph,
            outgoing,
            context=settings.context,
            session=settings.session,
            auto_start=settings.auto_start,
            queue_size=settings.queue_size,
        )
        self.workflow = workflow = Workflow(graph, dispatch, settings.context, history, publisher)
        if journal.loss is not None and journal.loss.is_partial:
            make_whole(journal, graph, dispatch, workflow, clock())
        self.reports = reports = Reports(
            journal, graph, dispatch, workflow, history, outgoing, settings.agents
        )
        turns = Turns(
            journal, graph, dispatch, workflow, reports, settings.context, history, settings.read_result
        )
        self.feed = Feed(journal, graph, dispatch, history, reports)
        self.desk = Desk(
            journal, graph, dispatch, workflow, history, publisher, reports, turns, outgoing, clock
        )


class RouterActor(Actor):
    """Takes what all others tell, and tells them what follows."""

    batch_size = 500

    def __init__(self, context: ActorContext, *, settings: RouterSettings) -> None:
        super().__init__(context)
        self._settings = settings
        self._parts: RouterParts | None = None
        self._feed_is_due = False
        self._batch: list[object] = []
        self._wait = FIRST_WAIT

    @property
    def parts(self) -> RouterParts:
        """The plain classes; there from the start to the exit."""
        if self._parts is None:
            raise RuntimeError("the router has not started")
        return self._parts

    def on_start(self) -> None:
        """Open the journal and take up what it holds."""
        self._parts = RouterParts(self._settings)
        self.parts.desk.start()
        self.on_batch()
        self._tell_gateway(WritingResumed())

    def on_receive(self, message: object) -> None:
        """Handle one message; see ``Desk``. It stays in the batch until the commit."""
        self._batch.append(message)
        try:
            self._take(message)
        except (sqlite3.OperationalError, OSError) as error:
            self._wait_for_room(error)

    def on_batch(self) -> None:
        """Commit, and only then say what follows."""
        while True:
            try:
                self.parts.desk.commit()
                break
            except sqlite3.OperationalError as error:
                self._wait_for_room(error)
        self._wait = FIRST_WAIT
        self._batch.clear()
        self.parts.outgoing.flush(self.context.system)
        if not self._feed_is_due and self.parts.feed.is_wanted:
            self._feed_is_due = True
            self.tell_later(FEED_SECONDS, FeedDue())

    def _take(self, message: object) -> None:
        match message:
            case FeedDue():
                self._feed_is_due = False
                self._send_pages()
            case FeedRequest():
                if self.parts.feed.ask(message):  # it is catching up: no need to gather changes
                    self._send_pages()
            case JournalRemoved():
                self.parts.journal.touch()
            case _:
                self.parts.desk.handle(message)

    def _wait_for_room(self, error: sqlite3.OperationalError | OSError) -> None:
        """The journal can't be written (a full disk, most likely): wait until it can, and do the batch again.

        Nothing of the batch was said to anybody yet. While the router waits, its mailbox fills, and then the
        socket is no longer read: what isn't journaled isn't acknowledged either.

        Raises:
            sqlite3.OperationalError: It is to stop before that, or no waiting would help.
        """
        since = time.time()
        while True:
            if not may_pass(error):
                raise error
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            log.error("journal_not_written", reason=reason, retry_in=self._wait)
            self._tell_gateway(WritingPaused(reason=reason, since=since))
            if self.wait_for_stop(self._wait):
                raise error
            self._wait = min(self._wait * 2, LONGEST_WAIT)
            try:
                self._do_again()
            except (sqlite3.OperationalError, OSError) as again:
                error = again
            else:
                log.warning("journal_written_again", messages=len(self._batch))
                self._tell_gateway(WritingResumed())
                return

    def _do_again(self) -> None:
        """Forget the batch, and do it again on a journal that was opened anew, and can be written."""
        self.parts.journal.close()
        self._parts = RouterParts(self._settings, look=False)
        self.parts.journal.touch()
        self.parts.journal.commit()
        self.parts.desk.start()
        for message in self._batch:
            self._take(message)

    def _tell_gateway(self, message: WritingPaused | WritingResumed) -> None:
        """Say at once what people must know although nothing can be written down."""
        self.context.system.handle(GATEWAY).tell(message)

    def on_exit(self, reason: BaseException | None) -> None:
        """Close the journal; what wasn't committed is forgotten, and will be handled again."""
        if self._parts is None:
            return
        try:
            if reason is None:
                self._send_pages(is_last=True)
                self._parts.outgoing.flush(self.context.system)
        finally:
            self._parts.journal.close(in_order=reason is None)

    def _send_pages(self, *, is_last: bool = False) -> None:
        for subscriber, page in self.parts.feed.pages(is_last=is_last):
            self.parts.outgoing.tell(subscriber, page)
