"""The work directory: private to its owner, used by one backend at a time, with the token for clients."""

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from backend.errors import AlreadyRunningError, WorkDirError

log = structlog.get_logger(__name__)

DEFAULT_WORK_DIR = Path("/tmp/agenthub_autonomous")  # noqa: S108 (one that is not ours is refused)
TOKEN_FILE = "backend.token"  # noqa: S105 (a file's name)
URL_FILE = "backend.url"
SIZE = 4_096
"""More bytes than any of its files has."""
LOOKS, LOOK_SECONDS = 20, 0.01
"""Number of attempts to lock, and seconds between them: a check for a running backend holds the lock for a moment."""


class WorkDir:
    """A directory that only its owner can read, locked until `close`.

    The default path is predictable, in a directory where everybody may write. So a directory that another user
    created first, or that others can read, is refused.

    Args:
        path: the directory; created with mode 0700 if it is missing.

    Raises:
        WorkDirError: the directory is not safe; the message has the reason.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token_fd: int | None = None
        try:
            _require_safe_way(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            _require_private(path, path.lstat(), stat.S_ISDIR, "a directory")
        except OSError as error:
            raise WorkDirError(f"{path} can't be used: {error.strerror or error}") from None

    def hold(self) -> str:
        """Lock the directory for this process and return its token, which is created at the first start.

        A token that others could read is replaced by a new one.

        Raises:
            AlreadyRunningError: another backend has locked it.
            WorkDirError: the token's file is not safe, or holds no token.
        """
        path = self.path / TOKEN_FILE
        try:
            fd = self._lock(path)
            if os.fstat(fd).st_mode & 0o077:
                log.warning("backend.token_replaced", file=str(path), reason="others could read it")
                path.unlink()  # whoever has it open reads no more in it
                self.close()
                fd = self._lock(path)
            (self.path / URL_FILE).unlink(missing_ok=True)  # of one that was killed
            return _read_token(path, fd)
        except OSError as error:
            self.close()
            raise WorkDirError(f"{path} can't be used: {error.strerror or error}") from None
        except BaseException:
            self.close()
            raise

    def _lock(self, path: Path) -> int:
        fd = _open_token(path)
        try:
            _require_ours(path, os.fstat(fd), stat.S_ISREG, "a file")
            if not _take(fd):
                raise AlreadyRunningError(f"another backend is running in {self.path}")  # noqa: TRY301 (it closes)
        except BaseException:
            os.close(fd)
            raise
        self._token_fd = fd
        return fd

    def publish(self, url: str) -> None:
        """Write the backend's address for clients on this machine; the directory must be locked."""
        file = os.open(self.path / URL_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(f"{url}\n")

    def close(self) -> None:
        """Unlock the directory."""
        if self._token_fd is not None:
            (self.path / URL_FILE).unlink(missing_ok=True)
            os.close(self._token_fd)
            self._token_fd = None


def _require_safe_way(path: Path) -> None:
    """Require that nobody else may put another directory in place of one on the way, by its owner or its mode."""
    for above in path.resolve().parents:
        if not above.exists():
            continue
        found = above.stat()
        if found.st_uid not in (0, os.geteuid()):
            raise WorkDirError(f"{path} is not safe: {above} belongs to another user (uid {found.st_uid})")
        if _is_open(found.st_mode):
            advice = f"choose another, or: chmod o-w {above}"
            raise WorkDirError(f"{path} is not safe: others may change {above}; {advice}")


def _is_open(mode: int) -> bool:
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def read_token(work_dir: Path) -> str:
    """Return the token of a backend that runs, or has run, in a work directory.

    Raises:
        WorkDirError: there is no token, or its file is not private.
    """
    path = work_dir / TOKEN_FILE
    try:
        return _checked(path, _read_private(path))
    except OSError as error:
        reason = error.strerror or error
        raise WorkDirError(f"{path} can't be read ({reason}); does a backend run in {work_dir}?") from None


def read_url(work_dir: Path) -> str | None:
    """Return the address of the backend that runs in a work directory; None if none runs.

    A killed backend leaves its address behind, and another program may have its port by now. So an address
    counts only while the directory is locked.

    Raises:
        WorkDirError: its files are not private.
    """
    try:
        return (_read_private(work_dir / URL_FILE) or None) if _is_held(work_dir / TOKEN_FILE) else None
    except OSError:
        return None


def _read_private(path: Path) -> str:
    with os.fdopen(_open_existing(path, os.O_RDONLY), "rb") as file:
        _require_private(path, os.fstat(file.fileno()), stat.S_ISREG, "a file")
        return file.read(SIZE).decode("ascii", errors="replace").strip()


def _open_token(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _open_existing(path, os.O_RDWR)


def _open_existing(path: str | Path, flags: int) -> int:
    # Follow no link, and don't block on a pipe: the kind of file is checked once it is open.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _take(fd: int) -> bool:
    """Lock the file; give up if another process holds it for longer than a check takes."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return True
    return False


def _is_held(path: Path) -> bool:
    """Tell whether a backend holds the lock on the directory of this token."""
    fd = _open_existing(path, os.O_RDONLY)
    try:
        _require_private(path, os.fstat(fd), stat.S_ISREG, "a file")
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _read_token(path: Path, fd: int) -> str:
    """Read the token, or create it in an empty file: a new one, or one left by a process that died early."""
    text = os.pread(fd, SIZE, 0).decode("ascii", errors="replace").strip()
    if not text:
        text = secrets.token_urlsafe(32)
        os.pwrite(fd, f"{text}\n".encode(), 0)
        os.fsync(fd)
    return _checked(path, text)


def _checked(path: Path, text: str) -> str:
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise WorkDirError(f"{path} holds no token; delete it, and a new one is made at the next start")
    return text


def _require_ours(path: Path, found: os.stat_result, is_kind: Callable[[int], bool], kind: str) -> None:
    if not is_kind(found.st_mode):
        raise WorkDirError(f"{path} is not {kind}")
    if found.st_uid != os.geteuid():
        raise WorkDirError(f"{path} belongs to another user (uid {found.st_uid})")


def _require_private(path: Path, found: os.stat_result, is_kind: Callable[[int], bool], kind: str) -> None:
    _require_ours(path, found, is_kind, kind)
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise WorkDirError(f"{path} is open to others (mode {mode:04o}); close it with: chmod go= {path}")
