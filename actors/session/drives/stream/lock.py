"""One process a conversation: two can resume the same one without an error, and must never."""

import fcntl
import os
from pathlib import Path

from actors.lib.files import open_ours
from actors.session.drive import SessionTakenError


class SessionLock:
    """Held from its making to ``release``, or to the end of the process.

    Args:
        path: The lock's file, one a session id.

    Raises:
        SessionTakenError: Somebody holds it.
        UnsafeFileError: Something else than a file of ours lies at the path.
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
            raise SessionTakenError(f"another process leads this conversation: it holds {path}") from error

    def release(self) -> None:
        """Let go of it."""
        # To close it is not enough while a child is between its fork and its exec.
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
