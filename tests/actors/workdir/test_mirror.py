"""Mirrors, the files that people read."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.protocol.feed import FeedPage
from actors.workdir import WorkDir, last_exported
from actors.workdir.history import HistoryFile
from actors.workdir.mirror import Mirrors


def _lines(*numbers: int) -> tuple[bytes, ...]:
    return tuple(json.dumps({"number": n, "event": "subtask.created"}).encode() for n in numbers)


def _numbers(path: Path) -> list[int]:
    return [json.loads(line)["number"] for line in path.read_text().splitlines()]


@pytest.fixture
def mirrors(workdir: WorkDir) -> Mirrors:
    """Prepare mirrors whose history's end is known."""
    made = Mirrors(workdir)
    assert made.last_number() == 0
    return made


def _show(mirrors: Mirrors, **mirror: Any) -> None:
    mirrors.add(FeedPage(**mirror))
    _write(mirrors)


def _write(mirrors: Mirrors) -> None:
    """Write the history, and then the states, even if that failed."""
    try:
        mirrors.write_history()
    finally:
        mirrors.write_states()


def test_history_is_appended_one_line_an_event(workdir: WorkDir, mirrors: Mirrors) -> None:
    _show(mirrors, events=_lines(1, 2))
    mirrors.add(FeedPage(events=_lines(3)))
    mirrors.add(FeedPage(events=_lines(7)))
    _write(mirrors)
    assert _numbers(workdir.history) == [1, 2, 3, 7]
    assert stat.S_IMODE(workdir.history.stat().st_mode) == 0o600
    assert Mirrors(workdir).last_number() == 7


def test_what_a_terminal_obeys_is_escaped_in_files_for_people(workdir: WorkDir, mirrors: Mirrors) -> None:
    harmful = "a\x1b[31mb\x7f\x9b2J\u202ec"
    line = orjson.dumps({"number": 1, "payload": {"reason": harmful}})
    states: dict[str, Any] = {
        "queues": {"coder": [{"title": harmful}]},
        "current": {"coder": {"title": harmful}},
    }
    _show(mirrors, events=(line,), knowledge=[{"text": harmful}], **states)
    for path in (
        workdir.history, workdir.knowledge, workdir.queue_file("coder"), workdir.current_task_file("coder")
    ):  # fmt: skip
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", path.read_text())
    assert json.loads(workdir.history.read_text())["payload"]["reason"] == harmful
    assert json.loads(workdir.knowledge.read_text()) == [{"text": harmful}]


def test_lines_that_are_there_already_are_left_out(workdir: WorkDir, mirrors: Mirrors) -> None:
    _show(mirrors, events=_lines(1, 2, 3))
    _show(mirrors, events=_lines(2, 3, 4, 4))
    assert _numbers(workdir.history) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "torn",
    [
        b'{"number": 3, "even',
        b'{"number": 3}',
        b"x" * 200_000,
        b"\n",
        b"garbage\n",
        b'{"number": "3"}\n[1]\n{}\n\x00\x00\x00\n',
    ],
)
def test_a_torn_end_is_cut_off(workdir: WorkDir, torn: bytes) -> None:
    whole = b"".join(line + b"\n" for line in _lines(1, 2))
    workdir.history.write_bytes(whole + torn)
    mirrors = Mirrors(workdir)
    assert mirrors.last_number() == 2
    assert workdir.history.read_bytes() == whole
    _show(mirrors, events=_lines(3))
    assert _numbers(workdir.history) == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"", 0),
        (b'{"number": 7}\n', 7),
        (b'{"number": 7}\n{"number": 8', 7),
        (b'{"number": 7}\n{"number": 9007199254740993}\ngarbage\n', 7),
        (b"garbage", 0),
    ],
)
def test_the_last_number_is_read_without_touching_the_file(
    workdir: WorkDir, content: bytes, number: int
) -> None:
    workdir.history.write_bytes(content)
    assert last_exported(workdir.history) == number
    assert workdir.history.read_bytes() == content


def test_a_file_that_cannot_be_read_has_no_last_number(workdir: WorkDir) -> None:
    assert last_exported(workdir.history) == 0
    workdir.history.symlink_to("/etc/passwd")
    assert last_exported(workdir.history) == 0
    assert last_exported(workdir.path) == 0


def test_a_history_of_which_nothing_is_whole_begins_anew(workdir: WorkDir) -> None:
    workdir.history.write_bytes(b'{"numb')
    assert Mirrors(workdir).last_number() == 0
    assert workdir.history.read_bytes() == b""


def test_a_last_line_longer_than_what_is_read_at_once(workdir: WorkDir) -> None:
    long = json.dumps({"number": 2, "text": "x" * 300_000}).encode()
    workdir.history.write_bytes(_lines(1)[0] + b"\n" + long + b"\n")
    assert Mirrors(workdir).last_number() == 2


def test_only_the_end_of_the_history_is_read(workdir: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    with workdir.history.open("wb") as file:
        for number in range(1, 50_001):
            file.write(_lines(number)[0] + b"\n")
    read, pread = [], os.pread

    def _counted(fd: int, length: int, offset: int) -> bytes:
        read.append(length)
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", _counted)
    assert Mirrors(workdir).last_number() == 50_000
    assert sum(read) < 100_000 < workdir.history.stat().st_size


@given(cut=st.integers(0, 200))
def test_whatever_a_crash_leaves_the_history_goes_on_without_a_gap(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("history") / "history"
    whole = b"".join(line + b"\n" for line in _lines(*range(1, 6)))
    path.write_bytes(whole[:cut])
    history = HistoryFile(path)
    last = history.last_number()
    history.append(_lines(*range(last + 1, 6)))
    assert path.read_bytes() == whole


def test_queues_current_tasks_and_knowledge(workdir: WorkDir, mirrors: Mirrors) -> None:
    queue = [{"id": "d-1", "kind": "task_ready", "text": "ü\u2028"}]
    _show(
        mirrors,
        queues={"coder": queue, "tester": []},
        current={"coder": {"id": "A"}, "tester": None},
        knowledge=[{"topic": "t", "text": "x"}],
    )
    assert json.loads(workdir.queue_file("coder").read_text()) == queue
    assert json.loads(workdir.queue_file("tester").read_text()) == []
    assert json.loads(workdir.current_task_file("coder").read_text()) == {"id": "A"}
    assert not workdir.current_task_file("tester").exists()
    assert json.loads(workdir.knowledge.read_text()) == [{"topic": "t", "text": "x"}]
    assert stat.S_IMODE(workdir.knowledge.stat().st_mode) == 0o600
    assert not workdir.history.exists()


def test_a_task_that_is_over_has_no_file(workdir: WorkDir, mirrors: Mirrors) -> None:
    _show(mirrors, current={"coder": {"id": "A"}})
    _show(mirrors, current={"coder": None})
    assert not workdir.current_task_file("coder").exists()


def test_of_several_states_only_the_newest_is_written_and_only_if_it_changed(
    workdir: WorkDir, mirrors: Mirrors
) -> None:
    _show(mirrors, queues={"coder": [{"id": "1"}]})
    before = workdir.queue_file("coder").stat().st_ino
    mirrors.add(FeedPage(queues={"coder": []}))
    mirrors.add(FeedPage(queues={"coder": [{"id": "1"}]}))
    _write(mirrors)
    assert workdir.queue_file("coder").stat().st_ino == before
    _show(mirrors, queues={"coder": []})
    assert workdir.queue_file("coder").read_bytes() == b"[]\n"


def test_an_agent_name_that_leads_elsewhere_writes_nothing(workdir: WorkDir, mirrors: Mirrors) -> None:
    with pytest.raises(ValueError, match="no valid agent name"):
        mirrors.add(FeedPage(queues={"../escaped": []}))
    assert not (workdir.path.parent / "escaped_queue.json").exists()


def test_planted_symlinks_are_not_followed(workdir: WorkDir, mirrors: Mirrors, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    workdir.queue_file("coder").symlink_to(victim)
    workdir.history.symlink_to(victim)
    with pytest.raises(OSError, match="symlink"):
        _show(mirrors, queues={"coder": []}, events=_lines(1))
    workdir.history.unlink()
    mirrors.last_number()
    _write(mirrors)
    assert victim.read_bytes() == b"precious"
    assert workdir.queue_file("coder").read_bytes() == b"[]\n"


def test_a_state_that_cannot_be_written_keeps_no_other_back(workdir: WorkDir, mirrors: Mirrors) -> None:
    blocked = [workdir.queue_file("a"), workdir.current_task_file("c")]
    for path in blocked:
        path.mkdir()
    states: dict[str, Any] = {
        "queues": {"a": [{"n": 1}], "b": []},
        "current": {"c": {"id": "x"}, "d": {"id": "y"}},
    }
    with pytest.raises(OSError, match=r"Is a directory"):
        _show(mirrors, events=_lines(1), knowledge=[], **states)
    assert _numbers(workdir.history) == [1]
    written = (workdir.queue_file("b"), workdir.current_task_file("d"), workdir.knowledge)
    assert all(path.is_file() for path in written)
    assert mirrors.failed == sorted(path.name for path in blocked)
    # Until it is told to, it doesn't try again, and forgets nothing
    for path in blocked:
        path.rmdir()
    _show(mirrors, queues={"a": [{"n": 2}]})
    assert not any(path.exists() for path in blocked)
    mirrors.retry()
    _write(mirrors)
    assert json.loads(blocked[0].read_text()) == [{"n": 2}]
    assert json.loads(blocked[1].read_text()) == {"id": "x"}
    assert mirrors.failed == []


def test_after_a_write_that_failed_there_is_no_gap_in_the_history(workdir: WorkDir, mirrors: Mirrors) -> None:
    _show(mirrors, events=_lines(1))
    # Given lines that could not be written
    workdir.history.chmod(0o400)
    workdir.history.rename(workdir.path / "aside")
    workdir.history.mkdir()
    with pytest.raises(OSError, match=r".+"):
        _show(mirrors, events=_lines(2))
    # When more come before it is known where the file ends
    _show(mirrors, events=_lines(3))
    mirrors.add(FeedPage(events=_lines(4)))
    workdir.history.rmdir()
    (workdir.path / "aside").rename(workdir.history)
    workdir.history.chmod(0o600)
    # Then they wait until what is missing was sent again
    assert mirrors.last_number() == 1
    _write(mirrors)
    _show(mirrors, events=_lines(2, 3, 4))
    assert _numbers(workdir.history) == [1, 2, 3, 4]
