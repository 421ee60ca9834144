"""The file of facts, and its reader."""

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.feed import FeedReader, FeedUnreadableError
from actors.feed.log import VERSION, FeedLog, FeedPosition
from actors.protocol.feed import AgentActive, Cost, Said, ToolReturned, ToolUsed
from tests.actors.feed.conftest import line, numbers, page

LIMIT = 1_000_000
MOVES: tuple[list[list[Any]], ...] = (
    [[7.0, "d", "coder", "message", None, "queued", None, None, None]],
    [],
    [
        [8.0, "d", "coder", "message", None, "written", None, None, 1],
        [9.0, "d", "coder", "message", None, "accepted", "lifecycle:queued", None, None],
    ],
)


def said(agent: str, text: str, at: float = 5.0) -> AgentActive:
    return AgentActive(agent=agent, at=at, activities=(Said(text=text),))


def test_events_steps_and_activities_are_facts(path: Path, reader: FeedReader) -> None:
    with closing(FeedLog(path, LIMIT)) as log:
        active = AgentActive(
            agent="coder",
            at=5.0,
            dropped=3,
            activities=(
                Said(text='ü "\u2028\n'),
                ToolUsed(tool="Edit", use_id="u", input="a.py"),
                ToolReturned(use_id="u", result="done", is_error=True),
                Cost(usd=0.5),
            ),
        )
        last = log.write([page(0, 1, 2, moves=MOVES)], [active])
        assert log.position() == FeedPosition(2, 3)
    found = reader.after(0)
    assert [fact.kind for fact in found.facts] == [
        "event", "event", "delivery", "delivery", "delivery",
        "dropped", "said", "tool_used", "tool_returned", "cost",
    ]  # fmt: skip
    assert found.facts[0].document == line(1).replace(b": ", b":").replace(b", ", b",")
    documents = [json.loads(fact.document) for fact in found.facts]
    assert [each["state"] for each in documents[2:5]] == ["queued", "written", "accepted"]
    assert documents[4] == {
        "at": 9.0, "delivery_id": "d", "agent": "coder", "kind": "message", "state": "accepted",
        "receipt": "lifecycle:queued",
    }  # fmt: skip
    assert documents[5:] == [
        {"at": 5.0, "agent": "coder", "count": 3},
        {"at": 5.0, "agent": "coder", "text": 'ü "\u2028\n'},
        {"at": 5.0, "agent": "coder", "tool": "Edit", "use_id": "u", "input": "a.py"},
        {"at": 5.0, "agent": "coder", "use_id": "u", "result": "done", "is_error": True},
        {"at": 5.0, "agent": "coder", "usd": 0.5},
    ]
    assert [(fact.at, fact.agent) for fact in found.facts[1:3]] == [(1002.0, None), (7.0, "coder")]
    assert not any(b"\n" in fact.document for fact in found.facts)
    assert (found.is_end, found.place, reader.last(), reader.first()) == (True, last, last, last - 9)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_reader_sees_only_what_it_asks_for(path: Path, reader: FeedReader) -> None:
    assert (reader.last(), reader.first(), reader.after(7)) == (0, 0, ([], 7, True))
    with closing(FeedLog(path, LIMIT)) as log:
        log.write(
            [page(0, *range(1, 101), moves=MOVES)], [said("coder", "a"), said("tester", "b", at=9000.0)]
        )
        first, last = reader.first(), reader.last()
        part = reader.after(0, 40)
        assert (len(part.facts), part.is_end, part.place) == (40, False, first + 39)
        assert len(reader.after(part.place).facts) == 65
        coder = reader.after(0, agent="coder")
        assert [fact.kind for fact in coder.facts] == ["delivery"] * 3 + ["said"]
        assert reader.first("coder") == coder.facts[0].number
        # What there was nothing of is looked through once, not again and again
        assert reader.after(0, kinds=["error"]) == ([], last, True)
        assert [fact.agent for fact in reader.after(0, kinds=["said", "cost"]).facts] == ["coder", "tester"]
        assert reader.since(9000.0) == last - 1
        assert reader.since(10**10) == last


def test_a_page_is_bounded_in_bytes_too(path: Path, reader: FeedReader) -> None:
    with closing(FeedLog(path, 10**8)) as log:
        log.write([], [said("coder", "x" * 100_000) for _ in range(10)])
    place, sizes = 0, []
    while not (part := reader.after(place)).is_end:
        place = part.place
        sizes.append(len(part.facts))
    assert sum(sizes) + len(part.facts) == 10
    assert max(sizes) == 3


def test_each_agent_has_a_bound_of_its_own(path: Path, reader: FeedReader) -> None:
    with closing(FeedLog(path, 100_000)) as log:
        log.write([page(0, 1)], [said("quiet", "once")])
        assert reader.lost_after(0) == reader.lost_after(0, "loud") == 0
        for _ in range(300):
            last = log.write([], [said("loud", "x" * 1000)])
            log.prune()
    kept = reader.after(0, 1000, agent="loud").facts
    # Nothing is deleted one by one, and never more than a piece too many
    size = sum(len(fact.document) + 64 for fact in kept)
    assert 80_000 < size <= 100_000
    assert [fact.number for fact in kept] == list(range(last - len(kept) + 1, last + 1))
    assert reader.lost_after(0) == reader.lost_after(0, "loud") == kept[0].number - 1
    assert reader.lost_after(kept[0].number - 1, "loud") == 0
    assert reader.lost_after(0, "quiet") == 0
    assert [fact.kind for fact in reader.after(0, 2).facts] == ["event", "said"]


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 40_000)), max_size=15))
def test_what_is_counted_is_what_is_kept(
    sizes: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("feed") / "feed.db"
    with closing(FeedLog(path, 100_000)) as log:
        for agent, size in sizes:
            log.write([], [said(agent, "x" * size)])
            log.prune()
    with closing(sqlite3.connect(path)) as database:
        counted = dict(database.execute("SELECT agent, bytes FROM agents WHERE bytes"))
        kept = database.execute("SELECT agent, sum(length(document) + 64) FROM facts GROUP BY agent")
        assert counted == dict(kept)
    assert all(size <= 100_000 for size in counted.values())


def test_a_crash_before_the_commit_leaves_neither_facts_nor_place(
    path: Path, reader: FeedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(FeedLog(path, LIMIT)) as log:
        log.write([page(0, 1)], [])

        def die(_name: str) -> None:
            raise RuntimeError("drill")

        monkeypatch.setattr("actors.feed.log.failpoint", die)
        with pytest.raises(RuntimeError, match="drill"):
            log.write([page(1, 2)], [said("coder", "a")])
        monkeypatch.undo()
        assert log.position() == FeedPosition(1, 0)
        log.write([page(1, 2)], [])
    assert numbers(reader) == [1, 2]


def test_what_sqlite_cannot_read_is_left_out_alone(
    path: Path, reader: FeedReader, caplog: pytest.LogCaptureFixture
) -> None:
    deep = b'{"at": 1, "number": 3, "deep": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    broken = page(0, 1, 2, 5).model_copy(update={"events": (line(1), deep, b"\xff", b"{", line(5))})
    with closing(FeedLog(path, LIMIT)) as log:
        log.write([broken], [])
        assert log.position() == FeedPosition(5, 0)
    assert numbers(reader) == [1, 5]
    assert caplog.text.count("fact_unreadable") == 3


@pytest.mark.expected_errors("feed_damaged")
@pytest.mark.parametrize("damage", [b"garbage " * 2000, b"SQLite format 3\0" + b"\0" * 5000])
def test_a_damaged_file_is_set_aside_and_begun_anew(path: Path, reader: FeedReader, damage: bytes) -> None:
    path.write_bytes(damage)
    path.with_name("feed.db-wal").write_bytes(b"of the damaged one")  # nothing of it gets into the new one
    with closing(FeedLog(path, LIMIT)) as log:
        assert log.position() == FeedPosition(0, 0)
        log.write([page(0, 1)], [])
    assert numbers(reader) == [1]
    assert path.with_name("feed.damaged.db").read_bytes() == damage


@pytest.mark.expected_errors("feed_damaged")
def test_a_file_of_another_version_is_set_aside(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(FeedUnreadableError, match="version"):
        FeedReader(path).last()
    FeedLog(path, LIMIT).close()
    assert path.with_name("feed.damaged.db").exists()


@pytest.mark.expected_errors("feed_damaged")
def test_numbers_never_come_again_whatever_becomes_of_the_file(path: Path, reader: FeedReader) -> None:
    now = [1000.0]
    with closing(FeedLog(path, LIMIT, lambda: now[0])) as log:
        seen = log.write([page(0, 1, 2, 3)], [])
        assert reader.lost_after(0) == 0
    now[0] += 1
    with closing(FeedLog(path, LIMIT, lambda: now[0])) as log:
        later = log.write([page(3, 4)], [])
        assert later > seen
        assert reader.lost_after(seen) == 0
    # And whoever knew a number of a file that is gone, is told so
    reader.close()
    for each in path.parent.glob("feed.db-*"):
        each.unlink()
    path.write_bytes(b"garbage " * 2000)
    now[0] += 1
    with closing(FeedLog(path, LIMIT, lambda: now[0])) as log:
        assert reader.lost_after(later) > later
        assert reader.lost_after(0) == 0
        assert log.write([page(0, 1)], []) > reader.lost_after(later)


def test_nothing_planted_is_followed_or_waited_for(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path.symlink_to(victim)
    with pytest.raises(OSError, match="symlink"):
        FeedLog(path, LIMIT)
    assert victim.read_bytes() == b"precious"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="ordinary"):
        FeedLog(path, LIMIT)


def test_a_reader_follows_the_file_that_is_there_now(path: Path, reader: FeedReader) -> None:
    for number in (1, 2):
        with closing(FeedLog(path, LIMIT)) as log:
            log.write([page(0, number)], [])
            assert numbers(reader) == [number]
        for each in path.parent.glob("feed.db*"):
            each.unlink()
    assert reader.last() == 0
