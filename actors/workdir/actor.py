"""The owner of the work directory's files, which writes the mirrors and reads the results."""

from pathlib import Path
from typing import NamedTuple

import structlog

from actors.lib.failpoints import failpoint
from actors.protocol.backend import InputRejected
from actors.protocol.feed import FeedPage, FeedRequest, JournalRemoved
from actors.protocol.names import ROUTER, WORKDIR
from actors.protocol.router import RouterStarted
from actors.workdir.directory import WorkDir
from actors.workdir.mirror import Mirrors
from actors.workdir.results import ResultFile, ResultProblem, Stamp, read_result
from actors.workdir.watch import FileRemoved, ResultsChanged, ResultWatch, WatchFailed, find_results
from supervisors import Actor, ActorContext

_log = structlog.stdlib.get_logger(__name__)


class _Quiet(NamedTuple):
    """The end of the time that an incomplete file has to change."""

    path: Path
    stamp: Stamp | None


class _RetryMirrors(NamedTuple):
    """The end of the wait after a mirror could not be written."""


class WorkdirActor(Actor):
    """The actor that mirrors the journal to files, and reports to the router what result files say.

    What must hold: a result is reported once for each content of its file, and the router is asked for more events
    only after the last ones are written, so that lines are neither lost nor doubled.

    Args:
        context: The actor's context.
        workdir: The directory.
        quiet_seconds: The time that an incomplete result file may stay unchanged before it is reported as a problem.
        retry_seconds: The wait after a mirror could not be written, for example because of a full disk.
    """

    batch_size = 200
    drains = True
    """The router's last messages are written before the end."""

    def __init__(
        self,
        context: ActorContext,
        *,
        workdir: WorkDir,
        quiet_seconds: float = 2.0,
        retry_seconds: float = 30.0,
    ) -> None:
        super().__init__(context)
        self._router = context.system.handle(ROUTER)
        self._workdir = workdir
        self._mirrors = Mirrors(workdir)
        self._quiet_seconds, self._retry_seconds = quiet_seconds, retry_seconds
        self._waits = False
        self._is_history_paused = False
        self._owes_number = True
        self._handled: dict[Path, Stamp | None] = {}
        self._watch: ResultWatch | None = None

    def on_start(self) -> None:
        """Ask for events from where the history ends, and look at the results that are there."""
        self.on_batch()
        self._watch = ResultWatch(self._workdir, self.context.incarnation, self.handle.tell)
        for path in find_results(self._workdir):
            self._look_at(path)

    def on_exit(self, reason: BaseException | None) -> None:  # noqa: ARG002 - it closes in either case
        """Stop watching."""
        if self._watch is not None and not self._watch.close():
            _log.warning("result_watch_abandoned")

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        match message:
            case FeedPage():
                self._mirrors.add(message)
                self._owes_number = True
            case RouterStarted():
                self._owes_number = True
            case ResultsChanged():
                for path in sorted(message.paths):
                    self._look_at(path)
            case _Quiet():
                self._look_at(message.path, quiet=message.stamp)
            case _RetryMirrors():
                self._waits = self._is_history_paused = False
                self._mirrors.retry()
            case FileRemoved():
                self._router.tell(JournalRemoved())
            case WatchFailed() if message.incarnation == self.context.incarnation:
                raise message.error

    def on_batch(self) -> None:
        """Write what the messages of the batch have changed."""
        if not self._is_history_paused:
            self._write_history()
        try:
            self._mirrors.write_states()
        except OSError as error:
            self._go_without(self._mirrors.failed, error)

    def _write_history(self) -> None:
        """Write the new events, and only then ask for more."""
        try:
            self._mirrors.write_history()
            if self._owes_number:
                self._router.tell(
                    FeedRequest(subscriber=WORKDIR, events=self._mirrors.last_number(), states=True)
                )
                self._owes_number = False
        except OSError as error:
            self._is_history_paused = self._owes_number = True
            self._go_without([self._workdir.history.name], error)

    def _go_without(self, files: list[str], error: OSError) -> None:
        """Go on without these files for a while: mirrors are for people, and the journal has everything."""
        _log.warning("mirrors_not_written", files=files, reason=str(error), retry_in=self._retry_seconds)
        if not self._waits:
            self._waits = True
            self.tell_later(self._retry_seconds, _RetryMirrors())

    def _look_at(self, path: Path, quiet: Stamp | None = None) -> None:
        """Read a result file; report it unless that was done, or it is incomplete and not known to be ``quiet``."""
        found = read_result(path, self._writer(path))
        if found is None:
            self._handled.pop(path, None)
        elif path in self._handled and self._handled[path] == found.stamp:
            return
        elif isinstance(found, ResultProblem) and found.unfinished and found.stamp != quiet:
            self.tell_later(self._quiet_seconds, _Quiet(path, found.stamp))
        else:
            self._handled[path] = found.stamp
            self._report(path, found)

    def _writer(self, path: Path) -> str | None:
        """Return the agent in whose directory the file lies; None: it lies in the work directory itself."""
        return None if path.parent == self._workdir.path else path.parent.name

    def _report(self, path: Path, found: ResultFile | ResultProblem) -> None:
        if isinstance(found, ResultProblem):
            self._reject(path, found.reason, found.stamp, found.head)
            return
        if found.problems:
            self._reject(path, "; ".join(found.problems), found.stamp)
        failpoint("workdir.result.before")
        self._router.tell(found.report())
        failpoint("workdir.result.after")

    def _reject(self, path: Path, reason: str, stamp: Stamp | None, head: bytes = b"") -> None:
        size, name = 0 if stamp is None else stamp.size, str(path.relative_to(self._workdir.path))
        self._router.tell(InputRejected(origin="file", reason=f"{name}: {reason}", raw=head, size=size))
