"""What earlier coordinators have left is found by the mark of their work directory."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from actors.session.orphans import _lives, end_orphans, work_dir_mark

SLEEPER = """
import subprocess, sys
code = "print(flush=True); import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid)
"""
SUCCESSOR = """
import sys
from pathlib import Path
from actors.session.orphans import end_orphans
end_orphans(Path(sys.argv[1]))
"""


def orphan(work: Path) -> psutil.Process:
    """A process of this work directory's sessions whose parent is gone."""
    made = subprocess.run(
        [sys.executable, "-c", SLEEPER], env=work_dir_mark(work), stdout=subprocess.PIPE, check=True
    )
    return psutil.Process(int(made.stdout))


def test_those_of_the_work_directory_are_ended_by_whatever_way_it_is_named_and_no_others(
    tmp_path: Path,
) -> None:
    one, two, link = tmp_path / "one", tmp_path / "two", tmp_path / "link"
    one.mkdir()
    link.symlink_to(one)
    ours, theirs = orphan(link), orphan(two)
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
