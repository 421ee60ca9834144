"""The lock that allows one coordinator in a work directory."""

import os
import stat
import subprocess
import sys

import pytest

from actors.lib.errors import ConfigurationError
from actors.workdir import AlreadyRunning, Holder, WorkDir, find_holder

HOLDER = """
import sys
from pathlib import Path
from actors.workdir import prepare
lock = prepare(Path(sys.argv[1])).lock()
lock.publish("http://127.0.0.1:1234")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_told_who_holds_it(workdir: WorkDir) -> None:
    with workdir.lock() as lock:
        lock.publish("http://127.0.0.1:1")
        with pytest.raises(AlreadyRunning) as caught:
            workdir.lock()
        assert (caught.value.pid, caught.value.url) == (os.getpid(), "http://127.0.0.1:1")
        assert f"the coordinator with pid {os.getpid()} (http://127.0.0.1:1)" in str(caught.value)
        assert isinstance(caught.value, ConfigurationError)
    with workdir.lock():
        assert stat.S_IMODE((workdir.path / "coordinator.lock").stat().st_mode) == 0o600


def test_it_goes_with_its_process_however_that_ends(workdir: WorkDir) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workdir.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(AlreadyRunning) as caught:
            workdir.lock()
        assert caught.value.pid == holder.pid
        holder.kill()
    with workdir.lock():
        pass


@pytest.mark.parametrize("content", [b"", b"99999999\nhttp://old\n", b"\xff\xfe", b"-1", b"\xc2\xb2"])
def test_a_stale_file_is_no_obstacle(workdir: WorkDir, content: bytes) -> None:
    path = workdir.path / "coordinator.lock"
    path.write_bytes(content)
    with workdir.lock():
        assert path.read_text() == f"{os.getpid()}\n\n"


def test_a_holder_that_has_not_said_who_it_is_yet(workdir: WorkDir) -> None:
    with workdir.lock():
        (workdir.path / "coordinator.lock").write_bytes("²\n".encode())
        with pytest.raises(AlreadyRunning) as caught:
            workdir.lock()
    assert caught.value.pid is None
    assert "another coordinator" in str(caught.value)


@pytest.mark.parametrize("content", [None, b""], ids=["removed", "another in its place"])
def test_whatever_becomes_of_the_file_nobody_else_is_let_in(workdir: WorkDir, content: bytes | None) -> None:
    with workdir.lock() as lock:
        # When somebody removes the file, and perhaps makes another one
        workdir.lock_file.unlink()
        if content is not None:
            workdir.lock_file.write_bytes(content)
        # Then the directory is locked all the same, and it is seen from outside
        with pytest.raises(AlreadyRunning) as caught:
            workdir.lock()
        assert (caught.value.pid, caught.value.url) == (None, None)
        assert find_holder(workdir.lock_file) == Holder(None, None)
        # And the file says again who it is as soon as that is told
        lock.publish("http://127.0.0.1:1")
        assert find_holder(workdir.lock_file) == Holder(os.getpid(), "http://127.0.0.1:1")
    assert find_holder(workdir.lock_file) is None


def test_a_file_that_cannot_be_written_leaves_nothing_locked(workdir: WorkDir) -> None:
    workdir.lock_file.symlink_to(workdir.path / "elsewhere")
    with pytest.raises(OSError, match="is a symlink"):
        workdir.lock()
    workdir.lock_file.unlink()
    workdir.lock().release()


def test_it_is_not_inherited_by_children(workdir: WorkDir) -> None:
    lock = workdir.lock()
    with subprocess.Popen(
        ["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False, bufsize=0
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"are you there?")
        assert child.stdout.read(1) == b"a"
        lock.release()
        lock.release()
        workdir.lock().release()
