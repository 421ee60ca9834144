"""Leftover processes of sessions: found by their marks or as descendants, and ended."""

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from actors.lib import leftovers, process_marks
from actors.lib.children import spawn
from actors.lib.deadlines import TOOLS
from actors.lib.leftovers import _lives, begin_end_of_leftovers, end_orphans, reap
from actors.lib.process_marks import MARK, Marks, marks_in, read_marks, work_dir_mark
from tests.actors.support import DEADLINE

SLEEPER = "print(flush=True); import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
STARTER = """
import subprocess, sys
command = [sys.executable, "-c", sys.argv[1]]
child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid)
"""
SUCCESSOR = """
import sys
from pathlib import Path
from actors.lib.leftovers import end_orphans
end_orphans(Path(sys.argv[1]))
"""


def orphan(mark: dict[str, str], program: str = SLEEPER) -> psutil.Process:
    """Start a process with this mark, and end its parent."""
    made = subprocess.run(
        [sys.executable, "-c", STARTER, program], env=mark, stdout=subprocess.PIPE, check=True
    )
    return psutil.Process(int(made.stdout))


@contextmanager
def claude(session_id: str, work_dir: Path, script: str) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """Start a shell as a session's program, which writes the pid of what it has started; yield both."""
    file = work_dir / "pid"
    environment = {MARK: session_id, "PATH": os.environ["PATH"], **work_dir_mark(work_dir)}
    process = spawn(
        ["/bin/sh", "-c", script.format(tell=f"echo $$ > {file}.new && mv {file}.new {file}")],
        env=environment,
    )
    deadline = time.monotonic() + DEADLINE
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = psutil.Process(int(file.read_text()))
    try:
        yield psutil.Process(process.pid), started
    finally:
        process.kill()
        process.wait()
        if started.is_running():
            started.kill()


# ---------------------------------------------------------------- of a session


def test_orphans_of_a_session_are_found_by_their_mark_and_ended_others_are_not() -> None:
    session_id = str(uuid4())
    ours, theirs = orphan({MARK: session_id}), orphan({MARK: session_id + "x"})
    assert reap(session_id, DEADLINE) == 1
    assert not _lives(ours)
    assert _lives(theirs)
    assert reap(session_id + "x", DEADLINE) == 1
    assert reap(session_id, DEADLINE) == 0


@pytest.mark.parametrize("seconds", [0.05, 0.0])
def test_an_orphan_that_ignores_sigterm_is_killed(seconds: float) -> None:
    session_id = str(uuid4())
    stubborn = orphan({MARK: session_id}, STUBBORN)
    assert reap(session_id, seconds) == 1
    assert not _lives(stubborn)


def test_an_orphan_that_nobody_collects_counts_as_gone() -> None:
    """In a container the first process often doesn't collect orphans."""
    session_id = str(uuid4())
    with subprocess.Popen(["/bin/sleep", "600"], env={MARK: session_id}) as zombie:
        began = time.monotonic()
        assert reap(session_id, 0.0) == 1
        assert time.monotonic() - began < TOOLS
        assert reap(session_id, 0.0) == 0
        assert zombie.returncode is None


ESCAPES = {
    "an emptied environment": "env -i /bin/sh -c '{tell}; exec sleep 600' & wait",
    "a session of its own": "setsid /bin/sh -c '{tell}; exec sleep 600' & wait",
    "no hang-up": "nohup /bin/sh -c '{tell}; exec sleep 600' >/dev/null & wait",
    "all of them, and no parent": "(setsid nohup env -i /bin/sh -c '{tell}; exec sleep 600' >/dev/null &); sleep 600",
    "a parent of a parent that is gone": "((env -i setsid /bin/sh -c '{tell}; exec env -i sleep 600' &) &); sleep 600",
    "another user's login": "su -s /bin/sh - $(id -un) -c '{tell}; exec sleep 600' & wait",
}


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("is_dead", [False, True], ids=["claude lives", "claude is dead"])
def test_whatever_it_does_a_process_stays_its_sessions(tmp_path: Path, escape: str, is_dead: bool) -> None:  # noqa: FBT001
    if "user" in escape and os.getuid() != 0:
        pytest.skip("it needs a password")
    session_id = str(uuid4())
    with claude(session_id, tmp_path, ESCAPES[escape]) as (parent, tool):
        if is_dead:
            parent.kill()
            parent.wait()
        assert reap(str(uuid4()), 0.0) == 0
        assert _lives(tool)
        assert reap(session_id, 0.0) >= 1
        assert not _lives(tool)


@pytest.fixture
def unnumbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hard limit too low for numbers."""

    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)


@pytest.mark.usefixtures("unnumbered")
def test_without_a_number_it_is_found_in_its_environment_or_as_a_descendant(tmp_path: Path) -> None:
    session_id = str(uuid4())
    with claude(session_id, tmp_path, ESCAPES["an emptied environment"]) as (_, tool):
        assert reap(session_id, 0.0) >= 2
        assert not _lives(tool)
    (tmp_path / "pid").unlink()
    with claude(session_id, tmp_path, "(setsid /bin/sh -c '{tell}; exec sleep 600' &); sleep 600") as (
        parent,
        tool,
    ):
        parent.kill()
        parent.wait()
        assert reap(session_id, 0.0) >= 1
        assert not _lives(tool)


@pytest.mark.usefixtures("unnumbered")
def test_without_a_number_one_of_ours_that_shows_no_environment_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is being replaced, or is ending."""
    session_id = str(uuid4())
    named, looks = process_marks._named, 0

    def not_yet(pid: int) -> Marks | None:
        nonlocal looks
        found = named(pid)
        if found is None or found.session != marks_in({MARK: session_id}).session:
            return found
        looks += 1
        return None if looks < 3 else found

    with claude(session_id, tmp_path, "{tell}; sleep 600 & wait") as (_, tool):
        monkeypatch.setattr(process_marks, "_named", not_yet)
        monkeypatch.setattr(leftovers, "UNCLEAR_SECONDS", DEADLINE)
        assert reap(session_id, 0.0) >= 1
        assert not _lives(tool)


def test_a_process_without_any_marks_is_ended_where_it_is_known_to_belong_to_a_session() -> None:
    process = orphan({})
    over = threading.Event()
    begin_end_of_leftovers(str(uuid4()), [process], over.set)
    assert over.wait(DEADLINE)
    assert not _lives(process)


EXECS = 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; exec env -i /bin/sh -c "$0" "$0"'


def test_one_that_is_being_replaced_by_exec_all_the_time_is_found(tmp_path: Path) -> None:
    """Its environment is empty for moments, and then for good."""
    session_id = str(uuid4())
    restless = f"exec env -i /bin/sh -c '{EXECS}' '{EXECS}'"
    with claude(session_id, tmp_path, "{tell}; " + restless) as (parent, _):
        for _ in range(200):
            assert read_marks(parent.pid) == marks_in({MARK: session_id, **work_dir_mark(tmp_path)})
        assert reap(session_id, 0.0) == 1


# ---------------------------------------------------------------- where they can't be looked at


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "none left"), ValueError("of a bug")])
def test_whoever_waits_gets_the_error_and_the_next_one_is_served(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> list[int]:
        raise error

    session_id = str(uuid4())
    process, over = orphan({MARK: session_id}), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "pids", fail)
        begin_end_of_leftovers(session_id, [], over.set)
        with pytest.raises(type(error)):
            reap(session_id, 0.0)
        assert over.wait(DEADLINE)
    assert reap(session_id, 0.0) == 1
    assert not _lives(process)


def test_one_that_cannot_be_looked_at_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    process, looks, status = orphan({MARK: "s"}), 0, psutil.Process.status

    def sometimes(each: psutil.Process) -> str:
        nonlocal looks
        looks += 1
        if looks < 4:
            raise OSError(errno.EMFILE, "none left")
        return status(each)

    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "status", sometimes)
        assert reap("s", 0.0) == 1
    assert looks >= 4
    assert not _lives(process)


def test_a_known_process_whose_pid_another_one_has_by_now_is_not_mistaken_for_it() -> None:
    bystander, over = orphan({}), threading.Event()
    before = psutil.Process(bystander.pid)
    before._ident = (before.pid, 1.0)  # type: ignore[attr-defined]  # as if one with this pid had started long ago
    before._create_time = 1.0  # type: ignore[attr-defined]
    begin_end_of_leftovers(str(uuid4()), [before], over.set)
    assert over.wait(DEADLINE)
    assert _lives(bystander)
    bystander.kill()


# ---------------------------------------------------------------- of many sessions


def test_many_that_end_at_once_share_their_looks_at_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    list_processes = psutil.pids

    def count() -> list[int]:
        nonlocal looks
        looks += 1
        return list_processes()

    monkeypatch.setattr(psutil, "pids", count)
    over = threading.Semaphore(0)
    for _ in range(200):
        begin_end_of_leftovers(str(uuid4()), [], over.release)
    for _ in range(200):
        assert over.acquire(timeout=DEADLINE)
    assert looks < 20


def test_of_requests_for_one_session_a_later_one_is_not_over_before_an_earlier_one() -> None:
    """Its session may start again then, and must not be ended by the earlier one."""
    session_id = str(uuid4())
    slow = orphan({MARK: session_id}, "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPER)
    order: list[str] = []
    earlier = threading.Thread(target=lambda: order.append(f"earlier {reap(session_id, 0.5)}"))
    earlier.start()
    while not leftovers._ENDER._runs:
        time.sleep(0.001)
    other = orphan({})
    over = threading.Event()
    begin_end_of_leftovers(str(uuid4()), [other], over.set)
    assert over.wait(DEADLINE)
    assert _lives(slow), "another session's leftovers don't wait for these"
    slow.kill()
    assert reap(session_id, 0.0) == 0
    order.append("later")
    earlier.join()
    assert order == ["earlier 1", "later"]


# ---------------------------------------------------------------- of a work directory


def test_those_of_the_work_directory_are_ended_by_whatever_way_it_is_named_and_no_others(
    tmp_path: Path,
) -> None:
    one, two, link = tmp_path / "one", tmp_path / "two", tmp_path / "link"
    one.mkdir()
    link.symlink_to(one)
    ours, theirs = orphan(work_dir_mark(link)), orphan(work_dir_mark(two))
    try:
        end_orphans(one)
        assert not _lives(ours)
        assert _lives(theirs)
    finally:
        end_orphans(two)
    assert not _lives(theirs)


def test_those_with_an_emptied_environment_are_among_them(tmp_path: Path) -> None:
    escape = ESCAPES["all of them, and no parent"]
    with claude(str(uuid4()), tmp_path, escape) as (parent, tool):
        parent.kill()
        parent.wait()
        end_orphans(tmp_path / "another")
        assert _lives(tool)
        end_orphans(tmp_path)
        assert not _lives(tool)


def test_a_coordinator_that_an_agent_has_started_does_not_end_itself(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", SUCCESSOR, str(tmp_path)], env=os.environ | work_dir_mark(tmp_path), check=True
    )
