"""The embedded backend's token, as far as the coordinator cares for it."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import structlog

from actors.lib.files import open_ours

log = structlog.get_logger(__name__)


def read_token(path: Path) -> str:
    """Return the token.

    Raises:
        OSError: There is none, or others may read it.
    """
    with os.fdopen(open_ours(path, os.O_RDONLY, private=True), encoding="ascii", errors="replace") as file:
        return file.read().strip()


def forget_token(path: Path) -> None:
    """Remove a token that others may know, so that the next backend makes a new one; leave that of a running one."""
    with suppress(OSError):  # there is none, or a backend holds it
        file = open_ours(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            log.warning(
                "backend_token_forgotten", reason="another program may have been told it", file=str(path)
            )
        finally:
            os.close(file)
