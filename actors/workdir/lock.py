"""The lock that allows one coordinator in a work directory."""

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
"""The number of attempts to lock, and the seconds between them: others may just be looking for the holder."""


class AlreadyRunning(ConfigurationError):  # noqa: N818 - it says what is the case, not what went wrong
    """The presence of another coordinator in this directory.

    Attributes:
        pid: Its process id; None if it has not published it yet.
        url: Its gateway's URL; None if it has not published it yet.
    """

    def __init__(self, path: Path, pid: int | None, url: str | None) -> None:
        who = "another coordinator" if pid is None else f"the coordinator with pid {pid}"
        where = f" ({url})" if url else ""
        super().__init__(f"{path.parent} is in use by {who}{where}. Stop it, or choose another WORK_DIR.")
        self.pid = pid
        self.url = url


class Lock:
    """An exclusive lock of a work directory, until ``release`` or the end of the process.

    The directory itself is locked, so removing or replacing the file admits nobody.

    Args:
        path: The file that names the holder: the first line is its pid, the second its URL.

    Raises:
        AlreadyRunning: Another process, or another lock of this one, has locked the directory.
        OSError: The directory or the file can't be opened.

    Example:
        >>> with Lock(workdir.lock_file) as lock:
        ...     lock.publish("http://127.0.0.1:8800")
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
        """Write the pid of this process and its gateway's URL (None: not known yet) to the file."""
        fd = open_ours(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(fd, f"{os.getpid()}\n{url or ''}\n".encode())
        finally:
            os.close(fd)

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class Holder(NamedTuple):
    """The coordinator that works in a directory.

    Attributes:
        pid: Its process id; None if it has not published it yet.
        url: Its gateway's URL; None if it has not published it yet.
    """

    pid: int | None
    url: str | None


def find_holder(path: Path) -> Holder | None:
    """Return the coordinator that has locked the directory now, or None, whatever the file says.

    The look takes the lock for a moment, which is shorter than a coordinator tries to get it.
    """
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
    """Lock the directory, retrying for longer than a look by ``find_holder`` takes.

    Raises:
        AlreadyRunning: It stays locked.
    """
    for _ in range(LOOKS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return
    raise AlreadyRunning(path, *_read(path))


def _read(path: Path) -> Holder:
    """Read the file; if it was removed, the holder's pid and URL are unknown."""
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
