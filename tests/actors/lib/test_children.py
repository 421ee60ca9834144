"""The children of this process: orphans that it adopts, collects and ends, and its own, whose ends it leaves alone."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import psutil
import pytest

from actors.lib import children
from actors.lib.children import adopt_orphans, adopted, collect_ended, descendants, spawn
from actors.lib.leftovers import _lives, end_adopted, reap
from actors.lib.process_marks import MARK
from tests.actors.support import DEADLINE

ENVIRONMENT = {"PATH": os.environ["PATH"]}
ORPHAN = "(env -i setsid /bin/sh -c 'echo $$; exec sleep {seconds} >/dev/null' &)"
"""A script that starts a process, writes its pid, and ends."""


@pytest.fixture
def adopting() -> Iterator[None]:
    """Have this process adopt orphans."""
    adopt_orphans()
    yield
    for _ in range(2):
        collect_ended()
    ctypes.CDLL(None).prctl(children.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    children._family.adopts = False


def until(condition: Callable[[], object]) -> None:
    """Poll for what sends no event: the state of a process."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def start_orphan(seconds: float = 600, mark: str = "") -> psutil.Process:
    """Start a process whose parent has ended when this returns."""
    script = ORPHAN.format(seconds=seconds)
    with spawn(["/bin/sh", "-c", script], env=ENVIRONMENT | {MARK: mark}, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        return psutil.Process(int(shell.stdout.readline()))


@pytest.mark.usefixtures("adopting")
def test_an_orphan_is_adopted_and_is_collected_when_it_ends() -> None:
    orphan = start_orphan(0.1)
    assert orphan.pid in adopted()
    assert orphan.ppid() == os.getpid()
    until(lambda: orphan.status() == psutil.STATUS_ZOMBIE)
    collect_ended()
    assert psutil.pid_exists(orphan.pid), "it might be about to be waited for"
    collect_ended()
    assert not psutil.pid_exists(orphan.pid)


@pytest.mark.usefixtures("adopting")
def test_the_ends_of_its_own_children_are_left_to_those_who_started_them() -> None:
    ours = spawn(["/bin/sh", "-c", "exit 7"], env=ENVIRONMENT)
    others = subprocess.Popen(["/bin/sh", "-c", "exit 8"])
    until(lambda: not _lives(psutil.Process(ours.pid)) and not _lives(psutil.Process(others.pid)))
    assert ours.pid not in adopted()
    collect_ended()
    assert others.wait() == 8, "a library that waits at once gets it, though it isn't known"
    for _ in range(3):
        collect_ended()
    end_adopted()
    assert ours.wait() == 7


@pytest.mark.usefixtures("adopting")
def test_an_orphan_with_the_pid_of_one_that_was_waited_for_is_an_orphan() -> None:
    with spawn(["/bin/true"], env=ENVIRONMENT) as before:
        before.wait()
    orphan = start_orphan()
    children._family.started[orphan.pid] = before  # as the kernel may give the pid again
    assert orphan.pid in adopted()
    end_adopted()


@pytest.mark.usefixtures("adopting")
def test_leftovers_that_are_adopted_leave_no_zombie() -> None:
    session_id = str(uuid4())
    orphan = start_orphan(mark=session_id)
    assert reap(session_id, 0.0) == 1
    assert not psutil.pid_exists(orphan.pid)


LOGIN = "(env -i /bin/su -s /bin/sh - $(id -un) -c 'echo $$; exec sleep 600' 2>&1 &)"


@pytest.mark.usefixtures("adopting")
@pytest.mark.skipif(os.getuid() != 0, reason="it needs a password")
def test_an_orphan_that_a_login_has_given_new_limits_and_a_new_environment_stays_its_sessions() -> None:
    session_id = str(uuid4())
    # Given: a login that puts back all limits, whose own processes end; its last one is adopted.
    script = f"prlimit --rttime=unlimited:unlimited --pid $$ && {LOGIN}"
    environment = ENVIRONMENT | {MARK: session_id}
    with spawn(["/bin/sh", "-c", script], env=environment, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        process = psutil.Process(int(shell.stdout.readline()))
    while (parent := process.ppid()) != os.getpid():
        os.kill(parent, signal.SIGKILL)
        until(lambda parent=parent: process.ppid() != parent)  # type: ignore[misc]
    assert process.rlimit(psutil.RLIMIT_RTTIME)[0] == -1
    # Then: another session's end leaves it alone, and its own ends it.
    assert reap(str(uuid4()), 0.0) == 0
    assert _lives(process)
    assert reap(session_id, 0.0) == 1
    assert not psutil.pid_exists(process.pid)


@pytest.mark.usefixtures("adopting")
def test_in_the_end_all_that_was_adopted_is_ended_also_what_carries_no_marks_at_all() -> None:
    bare = start_orphan()
    assert reap(str(uuid4()), 0.0) == 0
    assert _lives(bare)
    end_adopted()
    assert not psutil.pid_exists(bare.pid)


def test_what_was_there_before_is_not_taken_for_adopted() -> None:
    """A shell has jobs in the background, and becomes the coordinator by exec."""
    program = """
import os, sys
from actors.lib.children import adopt_orphans
from actors.lib.leftovers import end_adopted
adopt_orphans()
end_adopted()
"""
    script = 'sleep 600 >/dev/null & echo $!; exec "$0" -c "$1"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, program], stdout=subprocess.PIPE, text=True, check=True
    )
    job = psutil.Process(int(done.stdout))
    assert _lives(job)
    job.kill()


def test_without_adoption_nothing_is_adopted_collected_or_ended() -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "exit 3"])
    until(lambda: not _lives(psutil.Process(child.pid)))
    assert adopted() == []
    for _ in range(3):
        collect_ended()
    end_adopted()
    assert child.wait() == 3


def test_all_descendants_are_found_however_deep_and_in_whichever_session() -> None:
    script = "setsid /bin/sh -c 'env -i sleep 600 & echo $!; wait' & wait"
    with spawn(["/bin/sh", "-c", script], env=ENVIRONMENT, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        sleeper = int(shell.stdout.readline())
        found = descendants(shell.pid)
        assert len(found) == 2
        assert found[-1] == sleeper
        for pid in (*found, shell.pid):
            os.kill(pid, signal.SIGKILL)


PID_1 = """
import os, subprocess, sys, time
from actors.lib.children import adopt_orphans, collect_ended, spawn
adopt_orphans()
shell = spawn(["/bin/sh", "-c", "(setsid sleep 0.1 &) ; exit 5"], env=os.environ)
deadline = time.monotonic() + 20
while len(found := [pid for pid in os.listdir("/proc") if pid.isdigit()]) > 2 or not shell.pid:
    assert time.monotonic() < deadline, found
    collect_ended()
    time.sleep(0.05)
print(os.getpid(), len(found), shell.wait())
"""


def test_as_the_first_process_of_a_container_it_collects_what_it_did_not_start() -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", PID_1]
    if subprocess.run([*command[:5], "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespace may be made here")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "1 2 5\n", done.stderr  # itself, and its own shell until it was waited for


def test_a_child_gets_the_limit_of_descriptors_that_this_process_was_started_with() -> None:
    program = """
import os, resource, subprocess
from actors.lib import descriptors
from actors.lib.children import spawn
descriptors.raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)
spawn(["/bin/sh", "-c", "sleep 0.1; ulimit -Sn"], env={}).wait()
"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -Sn 100; exec "$0" -c "$1"', sys.executable, program],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{hard}\n100\n"
