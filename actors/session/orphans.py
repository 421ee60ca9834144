"""What a session's processes leave behind: found by a mark in its environment, and ended."""

import signal
import time

import psutil

from actors.errors import may_pass

MARK = "COORDINATOR_SESSION"
"""The environment variable by which everything that a session started can be found again."""
ROUNDS = 5
KILL_SECONDS = 1.0
"""How long a process may take to be gone after SIGKILL."""


def reap(session_id: str, seconds: float) -> int:
    """End every process of a session that is still there: an orphaned claude, and tools that outlived theirs.

    They are found by the mark in their environment, never by name.

    Args:
        session_id: The conversation.
        seconds: How long they may take to end by themselves after SIGTERM; then SIGKILL.

    Returns:
        How many there were.

    Raises:
        OSError: They can't be looked for now.
    """
    ended: set[int] = set()
    for _ in range(ROUNDS):  # a shell may have started another one between the look and the signal
        found = [each for each in psutil.process_iter() if _is_marked(each, session_id)]
        if not found:
            break
        ended |= {each.pid for each in found}
        for process in found:
            _end(process, signal.SIGTERM if seconds else signal.SIGKILL)
        alive = _wait_for_end(found, seconds or KILL_SECONDS)
        for process in alive:
            _end(process, signal.SIGKILL)
        _wait_for_end(alive, KILL_SECONDS)
    return len(ended)


def _wait_for_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that live after so many seconds; nobody tells of the end of what are no children of ours."""
    deadline = time.monotonic() + seconds
    while (alive := [each for each in processes if _lives(each)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_marked(process: psutil.Process, session_id: str) -> bool:
    try:
        return process.environ().get(MARK) == session_id
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
