"""A watch of the directories for result files, in a thread that only reports changes."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from actors.lib.deadlines import WATCH as STOP_SECONDS
from actors.protocol.base import is_agent_name
from actors.workdir.directory import WorkDir
from actors.workdir.results import is_meant

_GROUP_MS, _STEP_MS = 200, 50
"""Changes are reported after a step without one, or at the latest after the group's time, in milliseconds."""
_TRIES = 10
"""Attempts to watch directories, one of which may vanish just then."""


class ResultsChanged(NamedTuple):
    """Result files that are new, changed or gone; a hint to look, of whichever incarnation."""

    paths: frozenset[Path]


class FileRemoved(NamedTuple):
    """A file that must stay and may have been removed."""

    name: str


class WatchFailed(NamedTuple):
    """The failure of the thread that this incarnation of the actor owns."""

    incarnation: int
    error: Exception


class ResultWatch:
    """A watch that reports every change from its creation on.

    It watches each directory by itself, not the tree: symlinks that lead elsewhere are never followed. A directory
    that comes or goes makes it watch anew and report all files, since some may have been written before it watched.

    Args:
        workdir: The directory; the journal in it must stay.
        incarnation: The incarnation of the actor that owns the watch.
        on_change: Called in the thread; must not block.

    Raises:
        OSError: The directory can't be watched.
    """

    def __init__(
        self,
        workdir: WorkDir,
        incarnation: int,
        on_change: Callable[[ResultsChanged | FileRemoved | WatchFailed], None],
    ) -> None:
        self._workdir = workdir
        self._kept = workdir.journal
        self._incarnation = incarnation
        self._on_change = on_change
        self._closed = threading.Event()
        self._notify = self._watch()
        self._thread = threading.Thread(target=self._run, name="result-watch", daemon=True)
        self._thread.start()

    def close(self, timeout: float = STOP_SECONDS) -> bool:
        """End the watch; return whether the thread ended within ``timeout`` seconds."""
        self._closed.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _watch(self) -> RustNotify:
        """Watch the directories that there are now."""
        for _ in range(_TRIES):
            try:
                directories = result_directories(self._workdir)
                # Below ``watchfiles.watch``, which begins to watch only when it is first waited for.
                return RustNotify(
                    [str(each) for each in directories],
                    debug=False,
                    force_polling=False,
                    poll_delay_ms=0,
                    recursive=False,
                    ignore_permission_denied=False,
                )
            except FileNotFoundError as error:
                missing = error
        raise missing

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                with self._notify:
                    self._follow()
                if not self._closed.is_set():
                    self._begin_anew()
        except Exception as error:  # noqa: BLE001 - the thread's boundary: its owner must learn that it is blind
            self._on_change(WatchFailed(self._incarnation, error))

    def _follow(self) -> None:
        """Report changes until a directory comes or goes, or the watch is closed."""
        while not self._closed.is_set():
            changes = self._notify.watch(_GROUP_MS, _STEP_MS, 0, self._closed)
            if isinstance(changes, str):
                return  # it was stopped
            self._tell(changes)
            if any(self._is_directory(Path(path), change) for change, path in changes):
                return

    def _tell(self, changes: set[tuple[int, str]]) -> None:
        if (int(Change.deleted), str(self._kept)) in changes:
            self._on_change(FileRemoved(self._kept.name))
        paths = frozenset(found for _, path in changes if self._is_result(found := Path(path)))
        if paths:
            self._on_change(ResultsChanged(paths))

    def _is_result(self, path: Path) -> bool:
        return is_meant(path.name) and path.parent != self._workdir.results

    def _is_directory(self, path: Path, change: int) -> bool:
        """Return whether this change is about a directory that is watched, or is to be."""
        results = self._workdir.results
        return change != int(Change.modified) and results in (path, path.parent)

    def _begin_anew(self) -> None:
        """Watch the directories that there are now, and report what may have been missed between the two watches."""
        self._notify = self._watch()
        if not self._kept.exists():
            self._on_change(FileRemoved(self._kept.name))
        self._on_change(ResultsChanged(frozenset(find_results(self._workdir))))


def result_directories(workdir: WorkDir) -> list[Path]:
    """Return the work directory, that of the agents' directories, and these; symlinks are left out."""
    if not _is_own(workdir.results):
        return [workdir.path]
    agents = sorted(each for each in workdir.results.iterdir() if is_agent_name(each.name) and _is_own(each))
    return [workdir.path, workdir.results, *agents]


def find_results(workdir: WorkDir) -> list[Path]:
    """Return all files that are meant to be results, in order."""
    found: list[Path] = []
    with suppress(FileNotFoundError):  # a directory was removed just now, which is reported as a change
        for directory in result_directories(workdir):
            if directory != workdir.results:
                found += sorted(each for each in directory.iterdir() if is_meant(each.name))
    return found


def _is_own(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
