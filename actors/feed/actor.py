"""The feed's actor, which writes committed events and steps from the router, and agents' activities, to one file."""

import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, assert_never

import structlog

from actors.feed.log import FeedLog, FeedPosition, is_damage
from actors.protocol.feed import AgentActive, FeedGrew, FeedPage, FeedRequest
from actors.protocol.names import FEED, GATEWAY, ROUTER
from actors.protocol.router import RouterStarted, ToSubscriber
from supervisors import Actor, ActorContext

_log = structlog.stdlib.get_logger(__name__)

REST = 29.0
"""The factor of the rest after a page, relative to the processor time that it took. So the feed uses a thirtieth of a
processor at most, and writes about four thousand facts a second. In a flood it falls behind and catches up later, since
the journal has everything."""


GATHER = 0.02
"""Seconds in which facts gather before the next batch is written, so that a busy agent doesn't cost a commit a word."""


class _AskDue(NamedTuple):
    """The end of the rest after a page."""


class _TryAgain(NamedTuple):
    """The end of the wait after the file could not be written."""


class FeedActor(Actor):
    """The actor that keeps what happens, for people, and tells the gateway of new facts.

    What must hold: nobody waits for it. While its file can't be written it asks for no page, since the journal keeps
    those; activities of agents are counted and dropped meanwhile. And it asks for the next page only after the last
    one is committed, together with the position that it ends at, so that no event or step is lost or doubled.

    Args:
        context: The actor's context.
        path: The file of facts.
        limit: The bytes that are kept of each agent, and of facts about no agent.
        retry_seconds: The wait after the file could not be written.
    """

    batch_size = 200
    drains = True
    """The sessions' last messages are written before the end."""

    def __init__(self, context: ActorContext, *, path: Path, limit: int, retry_seconds: float = 30.0) -> None:
        super().__init__(context)
        self._router = context.system.handle(ROUTER)
        self._gateway = context.system.handle(GATEWAY)
        self._path = path
        self._limit = limit
        self._retry_seconds = retry_seconds
        self._facts: FeedLog | None = None
        self._position = FeedPosition(0, 0)
        self._pages: list[FeedPage] = []
        self._active: list[AgentActive] = []
        self._dropped: Counter[str] = Counter()
        self._is_paused = self._is_failing = False
        self._is_owed = True

    def on_start(self) -> None:
        """Open the file, and ask the router for what follows its end."""
        self.on_batch()

    def on_receive(self, message: ToSubscriber | AgentActive | _AskDue | _TryAgain) -> None:
        """Collect a message; it is written with its batch."""
        match message:
            case FeedPage():
                self._pages.append(message)
            case AgentActive():
                self._active.append(message)
            case RouterStarted() | _AskDue():
                self._is_owed = True
            case _TryAgain():
                self._is_paused, self._is_owed = False, True
            case _:
                assert_never(message)

    def on_batch(self) -> None:
        """Write the messages of the batch, and only then ask for more."""
        has_written = False
        if not self._is_paused:
            try:
                has_written = self._write()
                self._ask()
            except (sqlite3.Error, OSError) as error:
                self._go_without(error)
        for each in self._active:  # they could not be written
            self._dropped[each.agent] += len(each.activities) + each.dropped
        self._pages.clear()
        self._active.clear()
        if has_written:
            self.wait_for_stop(GATHER)

    def on_exit(self, reason: BaseException | None) -> None:  # noqa: ARG002 - it closes in either case
        """Close the file."""
        self._close()

    def _write(self) -> bool:
        """Write what there is; false where there is nothing."""
        facts = self._open()
        began = time.thread_time()
        pages, position = self._next_pages()
        active = [*self._make_up(), *self._active]
        if not pages and not active:
            return False
        try:
            facts.write(pages, active)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            facts.set_aside(str(error))
            self._facts, pages = None, []
            facts = self._open()  # at the journal's beginning: all pages are asked for again
            facts.write((), active)
        else:
            self._position = position
        self._active.clear()
        self._dropped.clear()
        facts.prune()
        if self._is_failing:
            self._is_failing = False
            _log.info("feed_written_again")
        self._gateway.tell(FeedGrew())
        if pages:
            self.tell_later((time.thread_time() - began) * REST, _AskDue())
        return True

    def _ask(self) -> None:
        if self._is_owed:
            self._is_owed = False
            self._router.tell(
                FeedRequest(subscriber=FEED, events=self._position.events, steps=self._position.steps)
            )

    def _next_pages(self) -> tuple[list[FeedPage], FeedPosition]:
        """Return the pages that continue the file, in order, and the position after them.

        Other pages were in flight when this actor, or its file, was replaced; they are dropped, and sent again.
        """
        pages, position = [], self._position
        for page in self._pages:
            if (page.after_event, page.after_step) == position:
                pages.append(page)
                position = FeedPosition(page.last_event, page.last_step)
        return pages, position

    def _make_up(self) -> list[AgentActive]:
        """Return the counts of dropped activities, as facts."""
        now = time.time()
        return [
            AgentActive(agent=agent, at=now, activities=(), dropped=count)
            for agent, count in self._dropped.items()
        ]

    def _open(self) -> FeedLog:
        """Return the file, opened (again) if it isn't open or was removed."""
        if self._facts is not None and not self._facts.is_in_place:
            _log.error("feed_removed", file=str(self._path))
            self._close()
        if self._facts is None:
            self._facts = FeedLog(self._path, self._limit)
            self._position, self._is_owed = self._facts.position(), True
        return self._facts

    def _close(self) -> None:
        facts, self._facts = self._facts, None
        if facts is not None:
            facts.close()

    def _go_without(self, error: sqlite3.Error | OSError) -> None:
        """Write nothing for a while; log the first failure only."""
        if not self._is_failing:
            _log.warning("feed_not_written", reason=str(error), retry_in=self._retry_seconds)
        self._is_paused = self._is_failing = True
        self._close()
        self.tell_later(self._retry_seconds, _TryAgain())
