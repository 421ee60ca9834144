"""Tests of the lock of a conversation."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from actors.session.drive import SessionTakenError
from actors.session.drives.stream.lock import SessionLock

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


def descriptor_of(path: Path) -> int:
    """Return the descriptor by which this process has a file open."""
    return next(
        int(fd.name) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink() and fd.readlink() == path
    )


def test_a_second_one_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    lock = SessionLock(path)
    with pytest.raises(SessionTakenError, match=str(path)):
        SessionLock(path)
    lock.release()
    SessionLock(path).release()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SessionTakenError):
            SessionLock(path)
        holder.kill()
    SessionLock(path).release()


def test_a_child_does_not_keep_it(tmp_path: Path) -> None:
    # Given: a child that has it open, as any child has between its fork and its exec.
    path = tmp_path / "s.lock"
    lock = SessionLock(path)
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[descriptor_of(path)]):
        lock.release()
        SessionLock(path).release()


def test_a_child_does_not_inherit_it(tmp_path: Path) -> None:
    lock = SessionLock(tmp_path / "s.lock")
    assert not os.get_inheritable(descriptor_of(tmp_path / "s.lock"))
    lock.release()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "s.lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match=r"s\.lock is a symlink"):
        SessionLock(tmp_path / "s.lock")
    assert not (tmp_path / "theirs").exists()
