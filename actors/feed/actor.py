"""The feed's actor: asks the router for what is committed, hears what agents say and do, and writes both down."""

import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, assert_never

import structlog

from actors.feed.log import FeedLog, Places, is_damage
from actors.protocol.feed import AgentActive, FeedGrew, FeedPage, FeedRequest
from actors.protocol.names import FEED, GATEWAY, ROUTER
from actors.protocol.router import RouterStarted, ToSubscriber
from supervisors import Actor, ActorContext

_log = structlog.stdlib.get_logger(__name__)

REST = 29.0
"""How many times as long as a page took of the processor the feed rests before it asks for another: it takes a
thirtieth of one at most, and so writes some four thousand facts a second. In a flood it falls behind, and catches up
later: the journal has it all."""


GATHER = 0.02
"""Seconds in which facts gather before the next batch is written, so that a busy agent doesn't cost a commit a word."""


class _AskDue(NamedTuple):
    """It has rested, and asks for more."""


class _TryAgain(NamedTuple):
    """The file could not be written; perhaps it can be now."""


class FeedActor(Actor):
    """Keeps what happens, for people, and tells the gateway when there is more of it.

    Nobody waits for it. While its file can't be written it asks for nothing, since the journal has that anyway; what
    agents say and do meanwhile is counted and dropped.

    Args:
        context: Who it is.
        path: The file of facts.
        limit: Bytes kept of each agent, and of what is about no agent.
        retry_seconds: When to try again, if it can't be written.
    """

    batch_size = 200
    drains = True
    """What sessions tell it last is written too."""

    def __init__(self, context: ActorContext, *, path: Path, limit: int, retry_seconds: float = 30.0) -> None:
        super().__init__(context)
        self._router = context.system.handle(ROUTER)
        self._gateway = context.system.handle(GATEWAY)
        self._path = path
        self._limit = limit
        self._retry_seconds = retry_seconds
        self._facts: FeedLog | None = None
        self._place = Places(0, 0)
        self._pages: list[FeedPage] = []
        self._active: list[AgentActive] = []
        self._dropped: Counter[str] = Counter()
        self._is_held = self._is_failing = False
        self._is_owed = True

    def on_start(self) -> None:
        """Say up to where everything is written."""
        self.on_batch()

    def on_receive(self, message: ToSubscriber | AgentActive | _AskDue | _TryAgain) -> None:
        """Take note of a message; it is written with its batch."""
        match message:
            case FeedPage():
                self._pages.append(message)
            case AgentActive():
                self._active.append(message)
            case RouterStarted() | _AskDue():
                self._is_owed = True
            case _TryAgain():
                self._is_held, self._is_owed = False, True
            case _:
                assert_never(message)

    def on_batch(self) -> None:
        """Write what the batch brought, and only then ask for more."""
        has_written = False
        if not self._is_held:
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
        pages, place = self._next_pages()
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
            facts = self._open()  # it asks for all pages again
            facts.write((), active)
        else:
            self._place = place
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
                FeedRequest(subscriber=FEED, events=self._place.events, steps=self._place.steps)
            )

    def _next_pages(self) -> tuple[list[FeedPage], Places]:
        """The pages that go on from where the file ends, and where it will end with them.

        Others were under way when this actor, or its file, was replaced, and are sent again.
        """
        pages, place = [], self._place
        for page in self._pages:
            if (page.after_event, page.after_step) == place:
                pages.append(page)
                place = Places(page.last_event, page.last_step)
        return pages, place

    def _make_up(self) -> list[AgentActive]:
        """What is to be said of activities that could not be written."""
        now = time.time()
        return [
            AgentActive(agent=agent, at=now, activities=(), dropped=count)
            for agent, count in self._dropped.items()
        ]

    def _open(self) -> FeedLog:
        """The file; opened (again) where it isn't, and where somebody has removed it."""
        if self._facts is not None and not self._facts.is_in_place:
            _log.error("feed_removed", file=str(self._path))
            self._close()
        if self._facts is None:
            self._facts = FeedLog(self._path, self._limit)
            self._place, self._is_owed = self._facts.places(), True
        return self._facts

    def _close(self) -> None:
        facts, self._facts = self._facts, None
        if facts is not None:
            facts.close()

    def _go_without(self, error: sqlite3.Error | OSError) -> None:
        """Write nothing for a while; said once."""
        if not self._is_failing:
            _log.warning("feed_not_written", reason=str(error), retry_in=self._retry_seconds)
        self._is_held = self._is_failing = True
        self._close()
        self.tell_later(self._retry_seconds, _TryAgain())
