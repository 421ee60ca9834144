"""One coordinator a work directory."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from actors.lib.errors import ConfigurationError
from actors.lib.files import open_directory, open_ours, write_all

_MOST = 4096
LOOKS, LOOK_SECONDS = 10, 0.05
"""How often, and how long apart, the lock is tried: others may just be looking who holds it."""


class AlreadyRunning(ConfigurationError):  # noqa: N818 - it says what is the case, not what went wrong
    """Another coordinator works in this directory.

    Attributes:
        pid: Its process; None if it has not said so yet.
        url: Where it is to be found; None if it has not said so yet.
    """

    def __init__(self, path: Path, pid: int | None, url: str | None) -> None:
        who = "another coordinator" if pid is None else f"the coordinator with pid {pid}"
        where = f" ({url})" if url else ""
        super().__init__(f"{path.parent} is in use by {who}{where}. Stop it, or choose another WORK_DIR.")
        self.pid = pid
        self.url = url


class Lock:
    """Held until ``release`` or the end of the process, however it ends.

    It is the directory itself that is locked: whoever removes the file, or puts another in its place, lets nobody in.

    Args:
        path: The file that says who holds it: its first line is the holder's pid, its second its URL.

    Raises:
        AlreadyRunning: Another process, or another lock of this one, holds it.
        OSError: The directory or the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = open_directory(path.parent)
        try:
            _take(self._fd, path)
            self.publish(None)
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def publish(self, url: str | None) -> None:
        """Write down who holds it, and where to find them."""
        fd = open_ours(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(fd, f"{os.getpid()}\n{url or ''}\n".encode())
        finally:
            os.close(fd)

    def release(self) -> None:
        """Let it go."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class Holder(NamedTuple):
    """The coordinator that works in a directory.

    Attributes:
        pid: Its process; None if it has not said so yet.
        url: Where its gateway answers; None if it has not said so yet.
    """

    pid: int | None
    url: str | None


def find_holder(path: Path) -> Holder | None:
    """Who holds the lock now; None if nobody does, whatever the file says. Looking never keeps anybody out for long."""
    try:
        fd = open_directory(path.parent)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(fd)
    return None


def _take(fd: int, path: Path) -> None:
    """Lock it, unless somebody holds it for longer than a look takes."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return
    raise AlreadyRunning(path, *_read(path))


def _read(path: Path) -> Holder:
    """What the file says; nothing, where somebody has removed it."""
    try:
        fd = open_ours(path, os.O_RDONLY)
    except FileNotFoundError:
        return Holder(None, None)
    try:
        lines = os.pread(fd, _MOST, 0).decode("utf-8", "replace").splitlines()
    finally:
        os.close(fd)
    pid = int(lines[0]) if lines and lines[0].isascii() and lines[0].isdigit() else None
    return Holder(pid, lines[1] if len(lines) > 1 and lines[1] else None)
