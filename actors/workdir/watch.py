"""A watch of the work directory for result files, in a thread that only reports changes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from actors.lib.deadlines import WATCH as STOP_SECONDS
from actors.workdir.results import is_meant

_GROUP_MS, _STEP_MS = 200, 50
"""Changes are reported after a step without one, or at the latest after the group's time, in milliseconds."""


class ResultsChanged(NamedTuple):
    """Result files that are new, changed or gone; a hint to look, of whichever incarnation."""

    names: frozenset[str]


class FileRemoved(NamedTuple):
    """A file that must stay and may have been removed."""

    name: str


class WatchFailed(NamedTuple):
    """The failure of the thread that this incarnation of the actor owns."""

    incarnation: int
    error: Exception


class ResultWatch:
    """A watch that reports every change from its creation on.

    Args:
        path: The directory.
        kept: The name of a file in it that must stay.
        incarnation: The incarnation of the actor that owns the watch.
        on_change: Called in the thread; must not block.

    Raises:
        OSError: The directory can't be watched.
    """

    def __init__(
        self,
        path: Path,
        kept: str,
        incarnation: int,
        on_change: Callable[[ResultsChanged | FileRemoved | WatchFailed], None],
    ) -> None:
        # Below ``watchfiles.watch``, which begins to watch only when it is first waited for.
        self._notify = RustNotify(
            [str(path)],
            debug=False,
            force_polling=False,
            poll_delay_ms=0,
            recursive=False,
            ignore_permission_denied=False,
        )
        self._removal = (int(Change.deleted), str(path / kept))
        self._incarnation = incarnation
        self._on_change = on_change
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="result-watch", daemon=True)
        self._thread.start()

    def close(self, timeout: float = STOP_SECONDS) -> bool:
        """End the watch; return whether the thread ended within ``timeout`` seconds."""
        self._closed.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._notify:
                while not self._closed.is_set():
                    self._tell(self._notify.watch(_GROUP_MS, _STEP_MS, 0, self._closed))
        except Exception as error:  # noqa: BLE001 - the thread's boundary: its owner must learn that it is blind
            self._on_change(WatchFailed(self._incarnation, error))

    def _tell(self, changes: set[tuple[int, str]] | str) -> None:
        if isinstance(changes, str):
            return  # it was stopped
        if self._removal in changes:
            self._on_change(FileRemoved(Path(self._removal[1]).name))
        names = frozenset(name for _, path in changes if is_meant(name := Path(path).name))
        if names:
            self._on_change(ResultsChanged(names))
