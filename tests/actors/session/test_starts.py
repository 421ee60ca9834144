"""Tests of starts that fail for lack of disk, descriptors or processes: they are retried, and are no crashes."""

import asyncio
import errno
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.lib.descriptors import PLACES
from actors.lib.leftovers import reap
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import SessionChanged, SessionReady, SessionState, Unblock
from actors.session.actor import MOST_MISSES
from actors.session.crashes import ENDS
from actors.session.drives.stream import drive
from actors.session.drives.stream.place import TranscriptPlace
from actors.session.timers import Respawn
from supervisors.drill import crash
from tests.actors.session.stage import NAME, Stage, wait_for
from tests.contract.messages import message, say

AGAIN = r"tried again at \d\d:\d\d:\d\d: can't start claude: "


def failing(number: int) -> Callable[..., Any]:
    """Return a function that fails with this error, whatever it is given."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def exhausted(*_: object) -> None:
    """Fail as the start of a thread does where the system has none left."""
    raise RuntimeError("can't start new thread")


FAILURES = {
    "a place for its descriptors": (PLACES, "take", errno.EMFILE),
    "the lock": (os, "open", errno.ENOSPC),
    "the look for orphans": (drive, "reap", errno.EMFILE),
    "the transcript": (TranscriptPlace, "find", errno.EIO),
    "the prompt and the tools": (drive, "write_atomically", errno.EDQUOT),
    "the pipe": (os, "mkfifo", errno.EROFS),
    "the watcher": (asyncio, "new_event_loop", errno.ENFILE),
    "the terminal": (os, "openpty", errno.EMFILE),
    "the process": (subprocess, "Popen", errno.EAGAIN),
    "memory": (subprocess, "Popen", errno.ENOMEM),
    "a claude that is being updated": (subprocess, "Popen", errno.ETXTBSY),
    "the watch over it": (os, "pidfd_open", errno.EMFILE),
}


@pytest.mark.parametrize("what", FAILURES)
def test_what_may_pass_is_waited_for_however_often(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    module, name, number = FAILURES[what]
    longest: list[float] = []

    def draw(low: float, high: float) -> float:
        longest.extend([high] if low else [])  # a start's wait has a least one, a crash's hasn't
        return 0.0

    scripted.clock.draw = draw
    scripted.start()
    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing(number))
        # Given: something without which claude can't be started, more often than it may crash.
        delivery = scripted.deliver(message(say("at last")))
        scripted.wait_state(SessionState.CRASHED, ENDS + 3)
    # Then: the agent isn't blocked, reports the reason, and starts once it is gone.
    scripted.wait_completed(delivery)
    assert scripted.wait_turn().text == "at last"
    details = {change.detail for change in scripted.of_state(SessionState.CRASHED)}
    assert all(re.fullmatch(AGAIN + os.strerror(number), detail) for detail in details)
    assert set(scripted.changes) == {"crashed", "starting", "working", "ready"}
    assert scripted.told("at last") == 1
    # And: the waits have grown, and the next one is a short one again.
    assert longest[:3] == [1.0, 2.0, 4.0]
    longest.clear()
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", failing(errno.EAGAIN))
        crashes = len(scripted.of_state(SessionState.CRASHED))
        scripted.kill()
        scripted.wait_state(SessionState.CRASHED, crashes + 2)
    assert longest[0] == 1.0


def test_without_a_thread_to_listen_to_it_claude_is_not_left_alone(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.start()
    start = threading.Thread.start

    def only_readers(thread: threading.Thread) -> None:
        if thread.name.startswith("session-"):
            exhausted()
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", only_readers)
        delivery = scripted.deliver(message(say("at last")))
        waiting = scripted.wait_state(SessionState.CRASHED, ENDS + 3)
        assert re.fullmatch(AGAIN + os.strerror(errno.EAGAIN), waiting.detail)
    scripted.wait_completed(delivery)
    assert len(scripted.marked()) == 1


def test_directories_that_a_cleaner_removed_are_made_anew(scripted: Stage) -> None:
    scripted.options["readable"] = readable = scripted.work / "context"
    scripted.start()
    scripted.wait_completed(scripted.deliver(message(say("first"))))
    results = scripted.options["results"]("coder").parent
    for directory in (scripted.files, readable, results.parent):
        shutil.rmtree(directory)
    scripted.kill()
    scripted.wait_completed(scripted.deliver(message(say("second")), document="long"))
    assert [each.is_dir() for each in (scripted.files, readable, results)] == [True] * 3
    assert SessionState.BLOCKED.value not in scripted.changes


MISSING = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ESTALE, errno.ENOTCONN, errno.ENOTDIR)


@pytest.mark.parametrize("number", MISSING)
def test_what_is_missing_for_a_moment_is_waited_for(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    scripted.clock.draw = lambda _low, _high: 0.0
    scripted.start()
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", failing(number))
        delivery = scripted.deliver(message(say("at last")))
        waiting = scripted.wait_state(SessionState.CRASHED, 2)
        patch.undo()
    assert re.fullmatch(AGAIN + re.escape(os.strerror(number)), waiting.detail)
    scripted.wait_completed(delivery)
    assert scripted.told("at last") == 1


def test_what_is_missing_for_long_is_for_a_person(scripted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted.clock.draw = lambda _low, _high: 0.0
    scripted.start()
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", failing(errno.EACCES))
        delivery = scripted.deliver(message(say("at last")))
        detail = scripted.wait_state(SessionState.BLOCKED).detail
    assert detail == f"can't start claude: {os.strerror(errno.EACCES)}; tried {MOST_MISSES} times"
    # When: a person has mended it, then it goes on.
    scripted.tell(Unblock())
    scripted.wait_completed(delivery)


def test_a_wait_for_room_does_not_use_up_the_crashes(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a claude that ends at once, whenever it is started, and once can't be started for a while.
    scripted.start(faults={"exit_on_start": 3})
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", failing(errno.EAGAIN))
        scripted.deliver("hello")
        scripted.wait_state(SessionState.CRASHED, ENDS + 3)
    # Then: it may crash as often as any other.
    scripted.wait_state(SessionState.BLOCKED)
    crashes = [each for each in scripted.of_state(SessionState.CRASHED) if "exit code 3" in each.detail]
    assert len(crashes) == ENDS


def test_a_person_need_not_wait_and_then_nothing_is_tried_twice(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.clock.draw = lambda _low, high: 3600.0 * high
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", failing(errno.ENOSPC))
        scripted.start()
        delivery = scripted.deliver(message(say("at last")))
        scripted.wait_state(SessionState.CRASHED)
        # While it waits, more work doesn't make it try.
        more = scripted.deliver(message(say("more")))
        scripted.tell(RouterStarted())
        scripted.record.wait_for(SessionReady, nth=2)
        assert scripted.changes == ["crashed"]
    scripted.tell(Unblock())
    scripted.wait_completed(delivery, more)
    assert scripted.clock.pending(Respawn) == []


@pytest.mark.expected_errors("child_exited")
def test_where_orphans_cannot_be_looked_for_the_next_incarnation_still_gets_the_conversation(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.start()
    first = scripted.deliver(message(say("one")))
    scripted.wait_turn()
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "pids", failing(errno.EMFILE))
        crash(scripted.system, NAME, RuntimeError("drill"))
        scripted.record.wait_for(SessionReady, nth=2)
    second = scripted.deliver(message(say("two")))
    scripted.wait_completed(first, second)
    assert "blocked" not in scripted.changes


def test_a_process_that_cannot_be_looked_at_now_is_not_taken_for_a_strangers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "read_bytes", failing(errno.EMFILE))
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        reap("nobody", 0.0)


# ---------------------------------------------------------------- a real disk that is full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 64 KiB; skip the test where that isn't allowed."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", path],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["/bin/umount", path], check=True)


def fill(directory: Path) -> Path:
    """Fill the disk."""
    filler = directory / "filler"
    filler.write_bytes(b"x" * shutil.disk_usage(directory).free)
    return filler


@pytest.mark.parametrize("is_resumed", [False, True])
def test_on_a_full_disk_it_waits_for_room(small_disk: Path, stage: Stage, *, is_resumed: bool) -> None:
    # Given: an agent whose own files lie on a disk that is full, perhaps since claude was started.
    stage.start(files=small_disk)
    if is_resumed:
        stage.deliver(message(say("before")))
        stage.wait_turn()
    filler = fill(small_disk)
    if is_resumed:
        stage.kill()
    # When: claude has to be started, then it waits for room, and says so.
    delivery = stage.deliver(message(say("at last")))

    def full() -> list[SessionChanged]:
        return [each for each in stage.of_state(SessionState.CRASHED) if "No space" in each.detail]

    wait_for(lambda: len(full()) > ENDS, "the wait for room")
    assert "blocked" not in stage.changes
    assert delivery in stage.outstanding
    # When: there is some again, then all goes on where it was.
    filler.unlink()
    stage.wait_completed(delivery)
    assert stage.wait_turn(2 if is_resumed else 1).text == "at last"
    assert stage.told("at last") == 1
