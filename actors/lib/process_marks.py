"""Leftover processes of sessions, found by marks in their environment and ended."""

import os
import signal
import time
from hashlib import sha256
from pathlib import Path

import psutil
import structlog

from actors.lib.deadlines import TOOLS as KILL_SECONDS
from actors.lib.errors import may_pass

log = structlog.get_logger(__name__)

MARK = "COORDINATOR_SESSION"
"""The environment variable that marks every process of a session with the conversation's id."""
WORK_DIR_MARK = "COORDINATOR_WORK_DIR"
"""The one that marks the processes of all sessions of a work directory, even of those that its journal has lost."""
ORPHAN_SECONDS = 2.0
"""The time that leftovers of an earlier coordinator have to end after SIGTERM, in seconds."""
ROUNDS = 5
"""The number of searches: a process may start another one after it was found, and before it is signalled."""


def reap(session_id: str, seconds: float) -> int:
    """End every process of a session: an orphaned claude, and tools that outlived theirs.

    They are found by the mark in their environment, never by name.

    Args:
        session_id: The conversation.
        seconds: The time from SIGTERM to SIGKILL; 0: SIGKILL at once. After SIGKILL it waits ``KILL_SECONDS`` at most,
            even for a process that doesn't end.

    Returns:
        The number of processes that were found.

    Raises:
        OSError: Processes can't be listed now.
    """
    return len(_end_all(MARK, session_id, seconds))


def work_dir_mark(path: Path) -> dict[str, str]:
    """Return the environment variable that marks a work directory's sessions; its value depends on the path alone."""
    return {WORK_DIR_MARK: sha256(os.fsencode(path.resolve())).hexdigest()[:32]}


def end_orphans(path: Path) -> None:
    """End all leftover processes of a work directory's earlier coordinators.

    Call it only after locking the directory, and before starting any session. It takes ``ORPHAN_SECONDS`` and
    ``KILL_SECONDS`` at most.

    Raises:
        OSError: Processes can't be listed now.
    """
    ended = _end_all(WORK_DIR_MARK, work_dir_mark(path)[WORK_DIR_MARK], ORPHAN_SECONDS)
    if ended:
        log.warning("orphans_ended", count=len(ended), pids=sorted(ended))


def _end_all(mark: str, value: str, seconds: float) -> set[int]:
    """End every process with this mark; return the pids."""
    ended: set[int] = set()
    mercy = time.monotonic() + seconds
    deadline = mercy + KILL_SECONDS
    for _ in range(ROUNDS):
        found = [each for each in psutil.process_iter() if _is_marked(each, mark, value)]
        if not found:
            break
        ended |= {each.pid for each in found}
        for process in found:
            _end(process, signal.SIGTERM if seconds else signal.SIGKILL)
        alive = _wait_for_end(found, mercy)
        for process in alive:
            _end(process, signal.SIGKILL)
        if _wait_for_end(alive, deadline):
            break
    return ended


def end_leftovers(session_id: str) -> None:
    """End a session's leftover processes at once; if they can't be listed now, the next start does it."""
    try:
        reap(session_id, 0.0)
    except OSError as error:
        log.warning("leftovers_not_looked_for", session=session_id, reason=str(error))


def _wait_for_end(processes: list[psutil.Process], deadline: float) -> list[psutil.Process]:
    """Poll until all have ended or the deadline is over, since they aren't our children; return those that live."""
    while (alive := [each for each in processes if _lives(each)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_marked(process: psutil.Process, mark: str, value: str) -> bool:
    try:  # an agent may have started this very process
        return process.pid != os.getpid() and process.environ().get(mark) == value
    except psutil.Error:
        return False  # gone, or somebody else's
    except OSError as error:
        if may_pass(error):
            raise  # it may have the mark, so the caller must not go on as if there were none
        return False


def _end(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return  # gone meanwhile
