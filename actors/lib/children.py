"""The children of this process: those that it starts, and the orphans that it adopts.

As a child subreaper this process becomes the parent of every descendant whose own parent has ended, however that one
was started. (A container's first process is that anyway.) So nothing that a session started gets out of reach, and this
process has to collect what it has adopted once that ends.

What must hold: a child that was started here is never taken for an orphan, or its exit status would be stolen from the
``Popen`` that waits for it. So it is registered under the lock under which it is started.
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from actors.lib import descriptors
from actors.lib.process_marks import Marks, marks_in, numbered

log = structlog.get_logger(__name__)

PR_SET_TIMERSLACK, PR_SET_CHILD_SUBREAPER = 29, 36
SLACK = 50_000
"""The system's slack of timers, in nanoseconds."""
MOST_SLACK = 100_000

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class _Family:
    """The children of this process that are known.

    Attributes:
        lock: Held while a child is started and registered, and while orphans are looked for.
        started: Those that were started here and have not been waited for, by pid.
        inherited: Those that were there before it became their reaper, such as a shell's background jobs.
        adopts: True once this process adopts orphans.
        ended: Adopted ones that had ended at the last look, and that nobody had collected.
        slacks: Marks by the slack of timers that their processes are started with.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.started: dict[int, subprocess.Popen[Any]] = {}
        self.inherited: frozenset[int] = frozenset()
        self.adopts = False
        self.ended: frozenset[int] = frozenset()
        self.slacks: dict[int, Marks] = {}
        self._slack_of: dict[Marks, int] = {}

    def slack_for(self, marks: Marks) -> int:
        """Return the slack for processes with these marks; the system's own where all others are in use."""
        slack = self._slack_of.setdefault(marks, min(SLACK + 1 + len(self._slack_of), MOST_SLACK))
        if slack == MOST_SLACK:
            return SLACK
        self.slacks[slack] = marks
        return slack

    def has_started(self, pid: int) -> bool:
        """Return whether the pid is that of a child that was started here."""
        child = self.started.get(pid)
        return child is not None and child.returncode is None


_family = _Family()


def spawn(arguments: Sequence[str], *, env: Mapping[str, str], **options: Any) -> "subprocess.Popen[Any]":  # noqa: ANN401
    """Start a process that carries the marks in its environment as a number too, and in the slack of its timers.

    A login (``su -``, ``sudo -i``) may put back all limits, and with them the number. The slack stays. It is too small
    to tell anything but which of our own sessions an orphan comes from, so it counts for adopted processes only.

    The child gets the limit of descriptors that this process was started with, since not every program copes with more.

    Args:
        arguments: The command line.
        env: The whole environment.
        options: Those of ``Popen``.

    Raises:
        OSError: It can't be started.
    """
    with _family.lock, numbered(env), _slack(_family.slack_for(marks_in(env))):
        process = subprocess.Popen(list(arguments), env=dict(env), **options)  # noqa: S603 - the callers' own programs
        started = {pid: child for pid, child in _family.started.items() if child.returncode is None}
        _family.started = started | {process.pid: process}
    with suppress(OSError):  # it has ended already
        descriptors.restore(process.pid)
    return process


def has_started(pid: int) -> bool:
    """Return whether the pid is that of a child that was started here."""
    return _family.has_started(pid)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end, from now until the end of this process."""
    if _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        log.warning("orphans_not_adopted", reason=os.strerror(ctypes.get_errno()))
    _family.inherited = frozenset(_children_of(os.getpid()))
    _family.adopts = True


def adopted() -> list[int]:
    """Return the pids of the adopted children, living or not; none if this process adopts none."""
    if not _family.adopts:
        return []
    with _family.lock:
        # The kernel gives adopted ones to the main thread, so the other threads' children need not be read.
        children = _children_of_thread(os.getpid(), os.getpid())
        return [pid for pid in children if pid not in _family.inherited and not _family.has_started(pid)]


def origin_of(pid: int) -> Marks | None:
    """Return the marks of the session that an adopted process without marks comes from, if that can be told."""
    with suppress(OSError):  # it has ended, or may not be read
        return _family.slacks.get(int(Path(f"/proc/{pid}/timerslack_ns").read_bytes()))
    return None


def collect(pids: Sequence[int]) -> None:
    """Collect those of these processes that are adopted and have ended."""
    for pid in set(pids).intersection(adopted()):
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def collect_ended() -> None:
    """Collect all adopted processes that had ended before the last call.

    One that a library has started, and is about to wait for, can't be told from them; it has until the next call.
    """
    ended = frozenset(pid for pid in adopted() if _has_ended(pid))
    collect(list(ended & _family.ended))
    _family.ended = ended - _family.ended


def descendants(pid: int) -> list[int]:
    """Return the pids of all living descendants of a process, but not this one nor its own."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = [child for child in _children_of(waiting.pop()) if child != os.getpid()]
        found += children
        waiting += children
    return found


def is_descendant(pid: int) -> bool:
    """Return whether a process lives, and descends from this one."""
    state, parent = _look_at(pid)
    if state in "ZX":
        return False
    while parent > 1 and parent != os.getpid():
        _, parent = _look_at(parent)
    return parent == os.getpid()


@contextmanager
def _slack(nanoseconds: int) -> Iterator[None]:
    """Have this thread's timers, and those of its children, this slack within the block."""
    _prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0)
    try:
        yield
    finally:
        _prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0)  # the default of this thread


def _children_of(pid: int) -> Iterator[int]:
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            yield from _children_of_thread(pid, int(thread.name))


def _children_of_thread(pid: int, thread: int) -> list[int]:
    with suppress(OSError):  # it has ended, or the kernel keeps no such list
        return [int(child) for child in Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split()]
    return []


def _look_at(pid: int) -> tuple[str, int]:
    """Return the state of a process, and its parent."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[:2]
    except OSError:
        return "X", 0
    return state, int(parent)


def _has_ended(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
