"""The agents' processes: found by the mark of their sessions, and nobody else's touched."""

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from actors.lib.process_marks import MARK


def processes_of(session_ids: Iterable[str]) -> dict[str, list[psutil.Process]]:
    """All processes that carry the mark of one of these sessions, by session."""
    wanted = set(session_ids)
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone, or not ours to look at
            session_id = process.environ().get(MARK)
            if session_id in wanted and process.status() != psutil.STATUS_ZOMBIE:
                found.setdefault(str(session_id), []).append(process)
    return found


def claudes(sessions: Mapping[str, str]) -> dict[str, psutil.Process]:
    """The claude of each agent that has one, as against the tools that it started.

    Args:
        sessions: Session ids by agent.
    """
    marked = processes_of(sessions.values())
    found = {}
    for agent, session_id in sessions.items():
        for process in marked.get(session_id, []):
            with suppress(psutil.Error):  # it has ended meanwhile
                if session_id in process.cmdline():  # of --session-id or --resume
                    found[agent] = process
    return found


def send(process: psutil.Process, number: signal.Signals) -> bool:
    """Send it a signal; False if it has ended meanwhile."""
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True


def kill_group(process: psutil.Process) -> bool:
    """Kill it and all in its group; False if it has ended meanwhile."""
    try:
        if os.getpgid(process.pid) != process.pid or not process.is_running():
            return False
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, psutil.Error):
        return False
    return True


def kill_all(session_ids: Iterable[str]) -> int:
    """End what is left of these sessions; how many there were."""
    left = [process for each in processes_of(session_ids).values() for process in each]
    for process in left:
        send(process, signal.SIGCONT)
        send(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5.0)
    return len(left)
