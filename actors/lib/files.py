"""Opens and writes files so that nothing that somebody planted at their paths is followed."""

import os
import stat
from pathlib import Path

from actors.lib.failpoints import failpoint


class UnsafeFileError(OSError):
    """What lies at this path is not an ordinary file of ours."""


def open_ours(path: Path, flags: int) -> int:
    """Open an ordinary file of ours; one that is made is for us alone (0600).

    Args:
        path: Its last part is never followed if it is a symlink. A FIFO or a device does not block.
        flags: As for ``os.open``.

    Returns:
        A file descriptor, not inherited by children.

    Raises:
        UnsafeFileError: It is no ordinary file, or somebody else's.
        OSError: It can't be opened.
    """
    if path.is_symlink():
        raise UnsafeFileError(f"{path.name} is a symlink")
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        _check(os.fstat(fd), path.name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a file (0600) in one step: readers find the old or the new; a symlink is not followed.

    Args:
        path: One writer at a time.
        data: The whole content.
        durable: Whether it must survive a power cut from now on.

    Raises:
        OSError: It could not be written; what was there is untouched.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # of a writer that was killed
    try:
        _write_new(temporary, data, durable=durable)
        failpoint("workdir.replace.before")
        temporary.replace(path)
        failpoint("workdir.replace.after")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_directory(path.parent)


def write_all(fd: int, data: bytes) -> None:
    """Write the whole of it.

    Raises:
        OSError: Only a part was written, or nothing.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _check(found: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFileError(f"{name} is no ordinary file")
    if found.st_uid != os.geteuid():
        raise UnsafeFileError(f"{name} belongs to somebody else")


def _write_new(path: Path, data: bytes, *, durable: bool) -> None:
    fd = open_ours(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(fd, data)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
