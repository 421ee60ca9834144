"""Leftover processes that are found by their mark, and ended."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from actors.lib.process_marks import MARK, _lives, end_orphans, reap, work_dir_mark
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
from actors.lib.process_marks import end_orphans
end_orphans(Path(sys.argv[1]))
"""


def orphan(mark: dict[str, str], program: str = SLEEPER) -> psutil.Process:
    """Start a process with this mark, and end its parent."""
    made = subprocess.run(
        [sys.executable, "-c", STARTER, program], env=mark, stdout=subprocess.PIPE, check=True
    )
    return psutil.Process(int(made.stdout))


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


def test_an_orphan_that_nobody_collects_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test that zombies count as ended: in a container the first process often doesn't collect orphans."""
    session_id = str(uuid4())
    orphan({MARK: session_id}, STUBBORN)
    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "status", lambda _: psutil.STATUS_ZOMBIE)
        assert reap(session_id, 3600.0) == 1  # returns at once
    assert reap(session_id, 0.0) == 1


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


def test_a_coordinator_that_an_agent_has_started_does_not_end_itself(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", SUCCESSOR, str(tmp_path)], env=os.environ | work_dir_mark(tmp_path), check=True
    )
