"""Opening and writing of files without following symlinks planted at their paths."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from actors.lib.failpoints import failpoint


class UnsafeFileError(OSError):
    """A path that isn't an ordinary file of ours.

    Attributes:
        fault: The fault, such as ``is a symlink``.
    """

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(errno.EPERM, f"{path.name} {fault}")
        self.fault = fault

    def __str__(self) -> str:
        return str(self.strerror)


class ExposedFileError(UnsafeFileError):
    """A file that others own, read or write.

    Attributes:
        mode: Its permissions.
        uid: Its owner.
    """

    def __init__(self, path: Path, fault: str, found: os.stat_result) -> None:
        super().__init__(path, fault)
        self.mode = stat.S_IMODE(found.st_mode)
        self.uid = found.st_uid


def open_ours(path: Path, flags: int, *, private: bool = False) -> int:
    """Open an ordinary file of ours; a new one is private (0600).

    Args:
        path: A symlink as its last part is refused. A FIFO or a device doesn't block.
        flags: As for ``os.open``.
        private: Refuse a file that others may read or write.

    Returns:
        A file descriptor, not inherited by children.

    Raises:
        UnsafeFileError: It isn't an ordinary file.
        ExposedFileError: It belongs to another user, or isn't private.
        OSError: It can't be opened.
    """
    fd = _open_itself(path, flags)
    try:
        _check(os.fstat(fd), path, private=private)
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_directory(path: Path) -> int:
    """Open a directory, for example to lock it.

    Args:
        path: A symlink as its last part is refused.

    Returns:
        A file descriptor, not inherited by children.

    Raises:
        UnsafeFileError: It is a symlink.
        OSError: It isn't a directory, or can't be opened.
    """
    return _open_itself(path, os.O_RDONLY | os.O_DIRECTORY)


def ensure_directory(path: Path) -> None:
    """Create a private directory (0700) of ours, unless it is there; its parent must be.

    Raises:
        UnsafeFileError: Something else is there, or a directory of somebody else.
        OSError: It can't be created.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeFileError(path, "is no directory")
    if found.st_uid != os.geteuid():
        raise ExposedFileError(path, "belongs to somebody else", found)


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a file (0600) atomically: readers find the old content or the new. A symlink is replaced, not followed.

    Args:
        path: The file; it must have one writer at a time.
        data: The whole content.
        durable: Sync it, so that it survives a power cut from then on.

    Raises:
        OSError: It could not be written; the old file is untouched.
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
    """Write all bytes.

    Raises:
        OSError: Only a part of them, or nothing, was written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _open_itself(path: Path, flags: int) -> int:
    if path.is_symlink():  # for a plainer message than the system's; O_NOFOLLOW is what protects
        raise UnsafeFileError(path, "is a symlink")
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def _check(found: os.stat_result, path: Path, *, private: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFileError(path, "is no ordinary file")
    if found.st_uid != os.geteuid():
        raise ExposedFileError(path, "belongs to somebody else", found)
    if private and found.st_mode & 0o077:
        raise ExposedFileError(path, "is open to others", found)


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
