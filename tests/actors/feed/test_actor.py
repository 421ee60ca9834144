"""The feed's actor, beside a router that the test plays."""

import functools
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.feed import FeedActor, FeedReader
from actors.feed import log as log_module
from actors.feed.actor import _TryAgain
from actors.feed.log import FeedLog
from actors.protocol.feed import AgentActive, FeedGrew, FeedPage, FeedRequest, Said
from actors.protocol.names import FEED, GATEWAY, ROUTER
from actors.protocol.router import RouterStarted
from supervisors import ActorContext, System
from supervisors.drill import crash
from tests.actors.feed.conftest import numbers, page
from tests.actors.support import DEADLINE, Record, child, recorder, running

LONG = 3600.0


class Beside:
    """The messages that the feed's neighbours were sent."""

    def __init__(self) -> None:
        self.router, self.gateway = Record(), Record()

    def asked(self, nth: int) -> tuple[int, int | None]:
        """Return the position that the nth request asks from."""
        request = self.router.wait_for(FeedRequest, nth=nth)
        assert (request.subscriber, request.states) == (FEED, False)
        return request.events, request.steps


@contextmanager
def _feed(
    path: Path,
    beside: Beside,
    react: Callable[[ActorContext, Any], object] | None = None,
    **options: Any,
) -> Iterator[System]:
    start = functools.partial(FeedActor, path=path, **{"limit": 10**7, "retry_seconds": LONG, **options})
    children = (recorder(ROUTER, beside.router, react), child(FEED, start), recorder(GATEWAY, beside.gateway))
    with running(*children) as system:
        yield system


def said(text: str) -> AgentActive:
    return AgentActive(agent="coder", at=1.0, activities=(Said(text=text),))


def tell(system: System, *messages: object) -> None:
    """Have these messages handled, and their facts written."""
    for message in messages:
        system.handle(FEED).ask(message, timeout=DEADLINE)


def texts(reader: FeedReader) -> list[str]:
    return [json.loads(fact.document)["text"] for fact in reader.after(0, kinds=["said"]).facts]


def test_it_asks_for_what_follows_when_a_page_is_written(path: Path, reader: FeedReader) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        assert beside.asked(1) == (0, 0)
        tell(system, page(0, 1, 2, moves=([],)))
        assert beside.asked(2) == (2, 1)
        assert numbers(reader) == [1, 2]
        beside.gateway.wait_for(FeedGrew)
    with _feed(path, beside):
        assert beside.asked(3) == (2, 1)


def test_what_agents_say_is_written_and_the_gateway_hears_of_it(path: Path, reader: FeedReader) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, said("a"), said("b"))
        assert texts(reader) == ["a", "b"]
        beside.gateway.wait_for(FeedGrew, nth=2)


def test_what_was_told_before_a_stop_is_written(path: Path, reader: FeedReader) -> None:
    with _feed(path, Beside()) as system:
        for number in range(1000):
            system.handle(FEED).tell(said(str(number)))
    assert len(reader.after(0, 2000).facts) == 1000


def test_a_page_that_does_not_go_on_from_its_end_is_left_out(path: Path, reader: FeedReader) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, page(0, 1, 2), page(0, 1, 2), page(0, 1, 2, 3), page(2, 3), page(7, 8))
        assert numbers(reader) == [1, 2, 3]


def test_a_journal_that_was_replaced_is_followed_from_where_it_is(path: Path, reader: FeedReader) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, page(0, 1, 2, 3))
        tell(system, FeedPage(after_event=3, last_event=1), page(1, 2))
        beside.router.wait_for(FeedRequest, lambda request: request.events == 2)
    assert numbers(reader) == [1, 2, 3, 2]


def test_a_new_router_is_asked_again(path: Path) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, RouterStarted())
        assert beside.asked(2) == (0, 0)


@pytest.mark.expected_errors("child_exited")
def test_after_a_crash_it_goes_on_from_what_is_written(path: Path, reader: FeedReader) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, page(0, 1))
        assert beside.asked(2) == (1, 0)
        crash(system, FEED, RuntimeError("drill"))
        assert beside.asked(3) == (1, 0)
        tell(system, page(1, 2))
    assert numbers(reader) == [1, 2]


def test_a_full_disk_ends_nothing_and_what_agents_say_is_counted(
    path: Path, reader: FeedReader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beside = Beside()
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(*_: object) -> int:
        raise full

    with _feed(path, beside) as system:
        tell(system, said("before"))
        with monkeypatch.context() as patch:
            patch.setattr(FeedLog, "write", fail)
            tell(system, said("lost"), page(0, 1), said("lost too"), RouterStarted())
            # While it can't be written it asks for nothing, and tries nothing
            assert len(beside.router.all(FeedRequest)) == 1
        tell(system, said("and this"))
        assert texts(reader) == ["before"]
        tell(system, _TryAgain())
        assert beside.asked(2) == (0, 0)
        tell(system, page(0, 1), said("after"))
    assert numbers(reader) == [1]
    assert texts(reader) == ["before", "after"]
    dropped = [json.loads(fact.document) for fact in reader.after(0, kinds=["dropped"]).facts]
    assert [(each["agent"], each["count"]) for each in dropped] == [("coder", 3)]
    assert caplog.text.count("feed_not_written") == 1


def test_a_file_that_can_never_be_written_is_said_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir()
    beside = Beside()
    with _feed(path, beside, retry_seconds=0.01) as system:
        tell(system, *(said("lost") for _ in range(50)))
        path.rmdir()
        assert beside.asked(1) == (0, 0)
        tell(system, said("kept"))
    assert caplog.text.count("feed_not_written") == 1
    with closing(FeedReader(path)) as reader:
        assert texts(reader) == ["kept"]


@pytest.mark.expected_errors("feed_removed")
def test_a_file_that_was_removed_is_begun_anew(path: Path, reader: FeedReader) -> None:
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, page(0, 1))
        beside.asked(2)
        for each in path.parent.glob("feed.db*"):
            each.unlink()
        tell(system, said("kept"), page(1, 2))
        assert beside.asked(3) == (0, 0)
        tell(system, page(0, 1, 2))
    assert numbers(reader) == [1, 2]
    assert texts(reader) == ["kept"]


@pytest.mark.expected_errors("feed_damaged")
def test_damage_while_it_runs_sets_the_file_aside(
    path: Path, reader: FeedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, write = Beside(), log_module.FeedLog.write
    damaged = sqlite3.DatabaseError("database disk image is malformed")
    damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    faults = iter([damaged])

    def fail_once(log: FeedLog, *words: Any) -> int:
        for fault in faults:
            raise fault
        return write(log, *words)

    with _feed(path, beside) as system:
        tell(system, page(0, 1))
        monkeypatch.setattr(FeedLog, "write", fail_once)
        tell(system, said("kept"))
        assert beside.asked(3) == (0, 0)
        tell(system, page(0, 1))
    assert numbers(reader) == [1]
    assert texts(reader) == ["kept"]
    assert path.with_name("feed.damaged.db").exists()


def test_in_a_flood_it_rests(path: Path, reader: FeedReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test that each page is followed by a rest, in which nothing is asked for, whatever agents say."""
    monkeypatch.setattr("actors.feed.actor.REST", 10**9)
    beside = Beside()
    with _feed(path, beside) as system:
        tell(system, page(0, *range(1, 1001)), said("a"))
        assert len(numbers(reader)) == 1000
        assert len(beside.router.all(FeedRequest)) == 1


def test_its_file_is_ours_alone(path: Path) -> None:
    with _feed(path, Beside()) as system:
        tell(system, said("a"))
        assert {oct(each.stat().st_mode & 0o777) for each in path.parent.glob("feed.db*")} == {"0o600"}
