"""The agents' processes, found by the mark of their sessions so that no others are touched."""

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from actors.lib.process_marks import MARK


def processes_of(session_ids: Iterable[str]) -> dict[str, list[psutil.Process]]:
    """Return all processes with the mark of one of these sessions, by session."""
    wanted = set(session_ids)
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone, or another user's
            session_id = process.environ().get(MARK)
            if session_id in wanted and process.status() != psutil.STATUS_ZOMBIE:
                found.setdefault(str(session_id), []).append(process)
    return found


def claudes(sessions: Mapping[str, str]) -> dict[str, psutil.Process]:
    """Return the claude process of each agent that has one, without the tools that it started.

    Args:
        sessions: Session ids by agent.
    """
    marked = processes_of(sessions.values())
    found = {}
    for agent, session_id in sessions.items():
        for process in marked.get(session_id, []):
            with suppress(psutil.Error):  # it has ended
                if session_id in process.cmdline():  # the value of --session-id or --resume
                    found[agent] = process
    return found


def send(process: psutil.Process, number: signal.Signals) -> bool:
    """Send a process a signal; return False if it has ended."""
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True


def kill_group(process: psutil.Process) -> bool:
    """Kill a process and its group; return False if it has ended."""
    try:
        if os.getpgid(process.pid) != process.pid or not process.is_running():
            return False
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, psutil.Error):
        return False
    return True


def kill_all(session_ids: Iterable[str]) -> int:
    """Kill the remaining processes of these sessions, and return their number."""
    left = [process for each in processes_of(session_ids).values() for process in each]
    for process in left:
        send(process, signal.SIGCONT)
        send(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5.0)
    return len(left)
