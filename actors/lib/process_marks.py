"""What sessions' processes leave behind: found by marks in their environment, and ended."""

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
"""The environment variable by which everything that a session started can be found again."""
WORK_DIR_MARK = "COORDINATOR_WORK_DIR"
"""The one by which all sessions of a work directory are found, also those that its journal doesn't know any more."""
ORPHAN_SECONDS = 2.0
"""How long what an earlier coordinator has left may take to end by itself."""
ROUNDS = 5


def reap(session_id: str, seconds: float) -> int:
    """End every process of a session that is still there: an orphaned claude, and tools that outlived theirs.

    They are found by the mark in their environment, never by name.

    Args:
        session_id: The conversation.
        seconds: How long they may take to end by themselves after SIGTERM; then SIGKILL. All of it takes
            ``KILL_SECONDS`` more at most, and nobody waits any longer for one that SIGKILL doesn't end.

    Returns:
        How many there were.

    Raises:
        OSError: They can't be looked for now.
    """
    return len(_end_all(MARK, session_id, seconds))


def work_dir_mark(path: Path) -> dict[str, str]:
    """What marks all that the sessions of a work directory start: it follows from the path alone."""
    return {WORK_DIR_MARK: sha256(os.fsencode(path.resolve())).hexdigest()[:32]}


def end_orphans(path: Path) -> None:
    """End what earlier coordinators of a work directory have left, whichever conversation it belongs to.

    Only for one that holds the directory and hasn't started anything yet. It takes ``ORPHAN_SECONDS`` and
    ``KILL_SECONDS`` at most.

    Raises:
        OSError: They can't be looked for now.
    """
    ended = _end_all(WORK_DIR_MARK, work_dir_mark(path)[WORK_DIR_MARK], ORPHAN_SECONDS)
    if ended:
        log.warning("orphans_ended", count=len(ended), pids=sorted(ended))


def _end_all(mark: str, value: str, seconds: float) -> set[int]:
    """End whatever has this mark; the pids."""
    ended: set[int] = set()
    mercy = time.monotonic() + seconds
    deadline = mercy + KILL_SECONDS
    for _ in range(ROUNDS):  # a shell may have started another one between the look and the signal
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
    """End at once what is left of a session; if it can't be looked for now, the next start does it."""
    try:
        reap(session_id, 0.0)
    except OSError as error:
        log.warning("leftovers_not_looked_for", session=session_id, reason=str(error))


def _wait_for_end(processes: list[psutil.Process], deadline: float) -> list[psutil.Process]:
    """Those that live at this time; nobody tells of the end of what are no children of ours."""
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
            raise  # nothing is known of it, so nobody may go on as if it weren't there
        return False


def _end(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return  # gone meanwhile
