"""The end of what sessions leave behind: processes found by their marks, wherever they are, and their descendants.

One thread ends the leftovers of all sessions. Each look at the machine's processes serves all that are being ended, so
that a thousand sessions which end together cost a few looks, not a thousand. The thread lives while it has work.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

from actors.lib.children import adopted, collect, descendants, has_started, is_descendant, origin_of
from actors.lib.deadlines import TOOLS as KILL_SECONDS
from actors.lib.process_marks import MARK, Marks, marks_in, read_marks, work_dir_mark

log = structlog.get_logger(__name__)

ORPHAN_SECONDS = 2.0
"""The time that leftovers of an earlier coordinator have to end after SIGTERM, in seconds."""
TICK = 0.01
"""Seconds between two looks at those that were signalled: of the end of most of them nothing tells this process."""
UNCLEAR_SECONDS = 0.2
"""The longest that a process of ours which shows no marks is waited for; an exec takes a millisecond."""

Family = list[psutil.Process]
"""Descendants of a process."""


def reap(session_id: str, seconds: float) -> int:
    """End every process of a session: an orphaned claude, and tools that outlived theirs.

    They are found by their marks, never by name.

    Args:
        session_id: The conversation.
        seconds: The time from SIGTERM to SIGKILL; 0: SIGKILL at once. After SIGKILL it waits ``KILL_SECONDS`` at most,
            even for a process that doesn't end.

    Returns:
        The number of processes that were found.

    Raises:
        OSError: Processes can't be listed now.
    """
    return len(_ENDER.add(_of_session(session_id, seconds)).result())


def family_of(pid: int) -> Family:
    """Return the living descendants of a process, as far as they can be told: once it has ended nothing tells them."""
    with suppress(OSError):  # no descriptor is left to look at them
        return _processes(descendants(pid))
    return []


def begin_end_of_leftovers(
    session_id: str, also: Iterable[psutil.Process], then: Callable[[], object]
) -> None:
    """Begin to end a session's leftover processes, and call ``then`` when that is over.

    Args:
        session_id: The conversation.
        also: More processes that are known to belong to it.
        then: Must not wait for anything, since other sessions' leftovers would wait too.
    """

    def over(future: "Future[set[int]]") -> None:
        _complain(session_id, future.exception())
        then()

    _ENDER.add(_of_session(session_id, 0.0, also)).add_done_callback(over)


def end_leftovers(session_id: str, also: Iterable[psutil.Process] = ()) -> None:
    """End a session's leftover processes at once; if they can't be listed now, the next start does it.

    Args:
        session_id: The conversation.
        also: More processes that are known to belong to it.
    """
    _complain(session_id, _ENDER.add(_of_session(session_id, 0.0, also)).exception())


def end_orphans(path: Path) -> None:
    """End all leftover processes of a work directory's earlier coordinators.

    Call it only after locking the directory, and before starting any session. It takes ``ORPHAN_SECONDS`` and
    ``KILL_SECONDS`` at most.

    Raises:
        OSError: Processes can't be listed now.
    """
    wanted = Marks(work_dir=marks_in(work_dir_mark(path)).work_dir)
    _tell_of(_ENDER.add(_Ending(wanted, ORPHAN_SECONDS)).result())


def end_adopted() -> None:
    """End all adopted processes and their descendants: those that carry no marks either. All sessions are over."""
    found = _processes(adopted())
    if found:
        _tell_of(_ENDER.add(_Ending(None, 0.0, found)).result())


def _of_session(session_id: str, seconds: float, also: Iterable[psutil.Process] = ()) -> "_Ending":
    return _Ending(Marks(session=marks_in({MARK: session_id}).session), seconds, also)


def _complain(session_id: str, error: BaseException | None) -> None:
    if error is not None:
        log.warning("leftovers_not_looked_for", session=session_id, reason=str(error))


def _tell_of(ended: set[int]) -> None:
    if ended:
        log.warning("orphans_ended", count=len(ended), pids=sorted(ended))


class _Ending:
    """One request: the processes that it concerns, and how far it is.

    Args:
        wanted: The marks that they carry, 0 for any; None to look for none.
        seconds: The time from SIGTERM to SIGKILL.
        also: Those that are known already.
    """

    def __init__(self, wanted: Marks | None, seconds: float, also: Iterable[psutil.Process] = ()) -> None:
        now = time.monotonic()
        self.wanted = wanted
        self.future: Future[set[int]] = Future()
        self.unclear_until = now + UNCLEAR_SECONDS
        self._mercy = now + seconds
        self._deadline = now + seconds + KILL_SECONDS
        self._number = signal.SIGTERM if seconds else signal.SIGKILL
        self._also = list(also)
        self._alive: dict[int, psutil.Process] = {}
        self._ended: set[int] = set()

    def take(self, found: Iterable[psutil.Process]) -> bool:
        """Signal those that were found, the known ones, and all their descendants; return whether any of them lives."""
        for process in (*found, *self._also):
            for each in (process, *_processes(descendants(process.pid))):
                if each.pid != os.getpid() and _lives(each):
                    self._alive[each.pid] = each
        self._also = []
        self._ended.update(self._alive)
        self._signal()
        return bool(self._alive)

    def go_on(self) -> bool:
        """Forget those that have ended, and signal the others when it is time; return whether to look again."""
        gone = [pid for pid, process in self._alive.items() if not _lives(process)]
        collect(gone)
        for pid in gone:
            del self._alive[pid]
        now = time.monotonic()
        if self._number is signal.SIGTERM and now >= self._mercy:
            self._number = signal.SIGKILL
            self._signal()
        if now >= self._deadline and self._alive:
            log.warning("processes_not_ended", pids=sorted(self._alive))
            self.finish()
        return not self._alive

    def finish(self) -> None:
        """Hand over the result."""
        self.future.set_result(self._ended)

    def fail(self, error: Exception) -> None:
        """Hand over an error, if it isn't over."""
        if not self.future.done():
            self.future.set_exception(error)

    def _signal(self) -> None:
        for process in self._alive.values():
            with suppress(psutil.Error):  # gone meanwhile, or not ours to end
                process.send_signal(self._number)


class _Ender:
    """The thread that carries out the requests, in turns: all that are due share a look at the processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: list[_Ending] = []
        self._runs = False

    def add(self, ending: _Ending) -> "Future[set[int]]":
        """Begin with a request."""
        with self._lock:
            self._new.append(ending)
            if self._runs:
                return ending.future
            self._runs = True
        try:
            threading.Thread(target=self._run, name="leftovers", daemon=True).start()
        except RuntimeError:  # no thread is left, so it is carried out here
            self._run()
        return ending.future

    def _run(self) -> None:
        requests: list[_Ending] = []
        while requests := self._open(requests):
            began = time.monotonic()
            # Of several for the same processes only the first may be over. If a later one were, its session could
            # start again, and the first would end what has just been started.
            first = {request.wanted: request for request in reversed(requests)}
            try:
                _look_for([request for request in requests if request.go_on()], set(first.values()))
            except Exception as error:  # noqa: BLE001 - whoever waits for a request would wait for ever
                for request in requests:
                    request.fail(error)
            time.sleep(max(TICK, time.monotonic() - began))  # half of the time is for others

    def _open(self, requests: list[_Ending]) -> list[_Ending]:
        with self._lock:
            left = [each for each in (*requests, *self._new) if not each.future.done()]
            self._new.clear()
            self._runs = bool(left)
            return left


_ENDER = _Ender()


def _look_for(due: list[_Ending], may_finish: set[_Ending]) -> None:
    """Look once for the processes of all these requests, signal them, and finish the requests that have none left."""
    found, is_clear = _look({request.wanted for request in due if request.wanted is not None})
    for request in due:
        lives = request.take(found.get(request.wanted, ()))
        waits = not is_clear and time.monotonic() < request.unclear_until
        if not lives and not waits and request in may_finish:
            request.finish()


def _look(wanted: set[Marks]) -> tuple[dict[Marks | None, list[psutil.Process]], bool]:
    """Return the processes with these marks, and whether the marks of all descendants of this process can be told."""
    found: dict[Marks | None, list[psutil.Process]] = {each: [] for each in wanted}
    is_clear, orphans = True, set(adopted())
    for pid in psutil.pids() if wanted else ():
        if pid == os.getpid():
            continue  # an agent may have started this very process
        marks = read_marks(pid)
        if pid in orphans and not any(marks or ()):
            marks = origin_of(pid) or marks
        if marks is None:
            is_clear = is_clear and (has_started(pid) or not is_descendant(pid))
            continue
        for each in (Marks(work_dir=marks.work_dir), Marks(session=marks.session)):
            if each in found and each != Marks():
                found[each] += _processes([pid])
    return found, is_clear


def _processes(pids: Iterable[int]) -> list[psutil.Process]:
    """Return these processes, without those that have ended."""
    found = []
    for pid in pids:
        with suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False
    except OSError:  # no descriptor is left to look at it
        return True
