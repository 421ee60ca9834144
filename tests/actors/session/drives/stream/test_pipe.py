"""Tests of claude's standard input: bytes arrive exactly and in order, and writing never blocks."""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.drives.stream.pipe import InputPipe, left_over
from actors.session.drives.stream.watcher import Watcher
from tests.actors.session.drives.stream.test_lock import descriptor_of
from tests.actors.support import DEADLINE

MIB = 1024 * 1024


class Told:
    """The tags that were reported as written."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, tag: str) -> None:
        """Take a report."""
        with self._changed:
            self.tags.append(tag)
            self._changed.notify_all()

    def wait(self, *tags: str) -> None:
        """Wait until these were reported, in this order, and nothing else."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.tags) >= len(tags), DEADLINE)
            assert self.tags == list(tags)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher.enter()
    yield watcher
    watcher.leave()


@pytest.fixture
def pipe(tmp_path: Path, told: Told, watcher: Watcher) -> Iterator[InputPipe]:
    """Make a pipe whose reading end the test has."""
    pipe = InputPipe(tmp_path / "agent.pipe", told, watcher)
    yield pipe
    pipe.close()


@pytest.fixture
def read(pipe: InputPipe) -> Iterator[Callable[[int], bytes]]:
    """Read so many bytes from the other end."""
    with os.fdopen(os.dup(pipe.reader), "rb", buffering=0) as file:

        def _read(size: int) -> bytes:
            data = bytearray()
            while len(data) < size:
                data += file.read(min(size - len(data), 65536))
            return bytes(data)

        yield _read
    pipe.give_away_reader()


def test_it_is_a_named_pipe_of_ours_in_place_of_what_lay_there(tmp_path: Path, watcher: Watcher) -> None:
    path = tmp_path / "agent.pipe"
    path.write_text("of an earlier run")
    pipe = InputPipe(path, print, watcher)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pipe.give_away_reader()
    pipe.close()


def test_where_there_is_room_it_is_written_at_once(
    pipe: InputPipe, told: Told, read: Callable[[int], bytes]
) -> None:
    assert pipe.write_all([("a", b"one\n")]) == ["a"]
    assert pipe.write_all([("b", b"two\n")]) == ["b"]
    assert read(8) == b"one\ntwo\n"
    assert told.tags == [], "what didn't wait isn't told of"


def test_a_mib_goes_to_a_reader_that_takes_its_time(
    pipe: InputPipe, told: Told, read: Callable[[int], bytes]
) -> None:
    # Given: more than the pipe holds, and something behind it.
    big = os.urandom(MIB)
    assert pipe.write_all([("big", big)]) == []
    assert pipe.write_all([("small", b"behind\n")]) == [], "it must not overtake"
    # When: the reader begins, then all of it comes, in order, and is told of in order.
    assert read(MIB + 7) == big + b"behind\n"
    told.wait("big", "small")
    # And: from then on there is room again, and the next one that waits is not forgotten.
    assert pipe.write_all([("later", b"x")]) == ["later"]
    assert pipe.write_all([("bigger", big)]) == []
    assert read(MIB + 1) == b"x" + big
    told.wait("big", "small", "bigger")


def test_many_writers_each_message_whole(pipe: InputPipe, read: Callable[[int], bytes]) -> None:
    lines = [b"%d:" % number + b"x" * 50_000 + b"\n" for number in range(40)]
    writers = [
        threading.Thread(target=lambda part=part: [pipe.write_all([("", line)]) for line in part])
        for part in (lines[:20], lines[20:])
    ]
    for writer in writers:
        writer.start()
    found = read(sum(map(len, lines))).splitlines(keepends=True)
    for writer in writers:
        writer.join(DEADLINE)
    assert sorted(found) == sorted(lines)
    assert [line for line in found if line in lines[:20]] == lines[:20]


def test_without_a_reader_what_is_written_is_dropped(pipe: InputPipe, told: Told) -> None:
    pipe.give_away_reader()
    assert pipe.write_all([("a", b"x")]) == ["a"]
    assert told.tags == []


def test_a_reader_that_goes_away_blocks_no_writer(pipe: InputPipe, told: Told) -> None:
    assert pipe.write_all([("a", bytes(MIB))]) == []
    assert pipe.write_all([("b", b"x")]) == []
    pipe.give_away_reader()
    told.wait("a", "b")


def test_it_closes_while_a_message_waits(tmp_path: Path, told: Told, watcher: Watcher) -> None:
    pipe = InputPipe(tmp_path / "agent.pipe", told, watcher)
    pipe.write_all([("a", bytes(MIB))])
    pipe.close()
    pipe.give_away_reader()
    closed = threading.Event()
    watcher.call(closed.set)
    assert closed.wait(DEADLINE)
    with pytest.raises(StopIteration):
        descriptor_of(tmp_path / "agent.pipe")
    assert told.tags == []


def test_a_reader_that_takes_nothing_keeps_no_other_one_waiting(
    tmp_path: Path, told: Told, watcher: Watcher, pipe: InputPipe, read: Callable[[int], bytes]
) -> None:
    deaf = InputPipe(tmp_path / "deaf.pipe", told, watcher)
    deaf.write_all([("never", bytes(MIB))])
    big = os.urandom(MIB)
    assert pipe.write_all([("big", big)]) == []
    assert read(MIB) == big
    told.wait("big")
    deaf.give_away_reader()
    told.wait("big", "never")
    deaf.close()


def test_once_it_is_closed_nothing_goes_to_whoever_has_its_descriptor_next(
    tmp_path: Path, told: Told, watcher: Watcher
) -> None:
    """The process ends in one thread, while another still has a message for it."""
    pipe = InputPipe(tmp_path / "agent.pipe", told, watcher)
    pipe.give_away_reader()
    descriptor = descriptor_of(tmp_path / "agent.pipe")
    pipe.close()
    # Given: another file under the same number.
    somebody = os.open(tmp_path / "somebody", os.O_CREAT | os.O_RDWR)
    os.dup2(somebody, descriptor)
    assert pipe.write_all([("a", b"a context")]) == ["a"]
    assert (tmp_path / "somebody").read_bytes() == b""
    os.close(descriptor)
    if somebody != descriptor:
        os.close(somebody)


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=6), st.integers(0, 60))
def test_what_is_left_of_messages_is_the_end_of_them_whole(parts: list[bytes], size: int) -> None:
    messages = [(str(number), part) for number, part in enumerate(parts)]
    whole = b"".join(parts)
    left = left_over(messages, min(size, len(whole)))
    assert b"".join(bytes(rest) for _, rest in left) == whole[max(0, len(whole) - size) :]
    assert [tag for tag, _ in left] == [tag for tag, _ in messages][len(messages) - len(left) :]
    assert all(rest for _, rest in left)


def test_of_many_in_one_go_those_that_wait_are_told_of_later(
    pipe: InputPipe, told: Told, read: Callable[[int], bytes]
) -> None:
    big = os.urandom(MIB)
    assert pipe.write_all([("a", b"one\n"), ("b", big), ("c", b"three\n")]) == ["a"]
    assert pipe.write_all([("d", b"four\n")]) == []
    assert read(MIB + 15) == b"one\n" + big + b"three\nfour\n"
    told.wait("b", "c", "d")
    assert pipe.write_all([("e", b"5"), ("f", b"6")]) == ["e", "f"]
    assert pipe.write_all([]) == []
