"""The lock of a conversation: claude lets two processes resume the same one without an error, so this prevents it."""

import fcntl
import os
from pathlib import Path

from actors.lib.files import open_ours
from actors.session.drive import SessionTakenError


class SessionLock:
    """A file lock, held from its construction until ``release`` or the end of the process.

    Args:
        path: The lock's file, one for each session id.

    Raises:
        SessionTakenError: Another process holds it.
        UnsafeFileError: The path is taken by something other than a file of ours.
        OSError: It can't be made.
    """

    def __init__(self, path: Path) -> None:
        self._fd = open_ours(path, os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            if not isinstance(error, BlockingIOError):
                raise
            raise SessionTakenError(f"another process uses this conversation: it holds {path}") from error

    def release(self) -> None:
        """Release the lock."""
        # Closing it is not enough while a child is between its fork and its exec.
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
