"""One process a conversation: two can resume the same one without an error, and must never."""

import fcntl
import os
from pathlib import Path

from actors.session.drive import SessionTakenError


class SessionLock:
    """Held from its making to ``release``, or to the end of the process.

    Args:
        path: The lock's file, one a session id.

    Raises:
        SessionTakenError: Somebody holds it.
        OSError: It can't be made.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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
