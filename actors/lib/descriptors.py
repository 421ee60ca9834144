"""The file descriptors of this process: as many as it may have, with a reserve for what everything depends on."""

import errno
import resource
import threading
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

EACH = 4
"""Descriptors of a session whose program runs: terminal, input, end of the process, lock of the conversation."""
RESERVE = 64
"""Descriptors that sessions leave for connections, files and the starts of programs, where the limit allows it."""

_given = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> None:
    """Raise this process's limit of descriptors as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def restore(pid: int) -> None:
    """Give a child the limit that this process was started with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != _given:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (_given, hard))


class Places:
    """Places for sessions: as many as there are descriptors for, beside the reserve and what is open already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._others: int | None = None
        self._is_short = False

    def take(self) -> None:
        """Take a place.

        Raises:
            OSError: None is free; it may be later.
        """
        with self._lock:
            limit, places = self._count()
            if self._taken >= places:
                self._complain(limit)
                raise OSError(
                    errno.EMFILE,
                    f"too many sessions for {limit} file descriptors ({self._taken} run; raise the hard limit,"
                    " ulimit -Hn or LimitNOFILE=)",
                )
            self._taken += 1
            self._is_short = False

    def give_back(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1

    def _complain(self, limit: int) -> None:
        """Log a shortage once; each session that waits says so in its state."""
        if not self._is_short:
            log.warning("sessions_wait_for_descriptors", running=self._taken, limit=limit)
        self._is_short = True

    def _count(self) -> tuple[int, int]:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if self._others is None:
            self._others = sum(1 for _ in Path("/proc/self/fd").iterdir())
        left = max(0, limit - self._others)
        return limit, (left - min(RESERVE, left // 2)) // EACH


PLACES = Places()
"""The places of this process."""
