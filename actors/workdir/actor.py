"""The actor that owns the files of the work directory: it writes the mirrors and reads the results."""

from typing import NamedTuple

import structlog

from actors.lib.failpoints import failpoint
from actors.protocol.backend import InputRejected
from actors.protocol.feed import FeedPage, FeedRequest, JournalRemoved
from actors.protocol.names import ROUTER, WORKDIR
from actors.protocol.router import RouterStarted
from actors.workdir.directory import WorkDir
from actors.workdir.mirror import Mirrors
from actors.workdir.results import ResultFile, ResultProblem, Stamp, is_meant, read_result
from actors.workdir.watch import FileRemoved, ResultsChanged, ResultWatch, WatchFailed
from supervisors import Actor, ActorContext

_log = structlog.stdlib.get_logger(__name__)


class _Settled(NamedTuple):
    """A file that broke off has had time to be finished."""

    name: str
    stamp: Stamp | None


class _TryAgain(NamedTuple):
    """Something could not be written; perhaps it can be now."""


class WorkdirActor(Actor):
    """Shows people what the journal holds, and tells the router what agents wrote into result files.

    Args:
        context: Who it is.
        workdir: The directory.
        settle_seconds: How long a result that breaks off may stay as it is until that is reported.
        retry_seconds: When to try again, if a mirror can't be written (a full disk).
    """

    batch_size = 200
    drains = True
    """What the router tells it last is written too."""

    def __init__(
        self,
        context: ActorContext,
        *,
        workdir: WorkDir,
        settle_seconds: float = 2.0,
        retry_seconds: float = 30.0,
    ) -> None:
        super().__init__(context)
        self._router = context.system.handle(ROUTER)
        self._workdir = workdir
        self._mirrors = Mirrors(workdir)
        self._settle_seconds, self._retry_seconds = settle_seconds, retry_seconds
        self._waits = False
        self._is_history_held = False
        self._owes_number = True
        self._handled: dict[str, Stamp | None] = {}
        self._watch: ResultWatch | None = None

    def on_start(self) -> None:
        """Say where the history ends, and look at the results that are there."""
        self.on_batch()
        self._watch = ResultWatch(
            self._workdir.path, self._workdir.journal.name, self.context.incarnation, self.handle.tell
        )
        for path in sorted(self._workdir.path.iterdir()):
            if is_meant(path.name):
                self._look_at(path.name)

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
                for name in sorted(message.names):
                    self._look_at(name)
            case _Settled():
                self._look_at(message.name, settled=message.stamp)
            case _TryAgain():
                self._waits = self._is_history_held = False
                self._mirrors.retry()
            case FileRemoved():
                self._router.tell(JournalRemoved())
            case WatchFailed() if message.incarnation == self.context.incarnation:
                raise message.error

    def on_batch(self) -> None:
        """Write what the messages of the batch have changed."""
        if not self._is_history_held:
            self._write_history()
        try:
            self._mirrors.write_states()
        except OSError as error:
            self._go_without(self._mirrors.held, error)

    def _write_history(self) -> None:
        """Write what happened, and only then ask for more."""
        try:
            self._mirrors.write_history()
            if self._owes_number:
                self._router.tell(
                    FeedRequest(subscriber=WORKDIR, events=self._mirrors.last_number(), states=True)
                )
                self._owes_number = False
        except OSError as error:
            self._is_history_held = self._owes_number = True
            self._go_without([self._workdir.history.name], error)

    def _go_without(self, files: list[str], error: OSError) -> None:
        """Go on without these for a while: mirrors are for people, and the journal has it all."""
        _log.warning("mirrors_not_written", files=files, reason=str(error), retry_in=self._retry_seconds)
        if not self._waits:
            self._waits = True
            self.tell_later(self._retry_seconds, _TryAgain())

    def _look_at(self, name: str, settled: Stamp | None = None) -> None:
        found = read_result(self._workdir.path / name)
        if found is None:
            self._handled.pop(name, None)
        elif name in self._handled and self._handled[name] == found.stamp:
            return
        elif isinstance(found, ResultProblem) and found.unfinished and found.stamp != settled:
            self.tell_later(self._settle_seconds, _Settled(name, found.stamp))
        else:
            self._handled[name] = found.stamp
            self._report(name, found)

    def _report(self, name: str, found: ResultFile | ResultProblem) -> None:
        if isinstance(found, ResultProblem):
            self._reject(name, found.reason, found.stamp, found.head)
            return
        if found.problems:
            self._reject(name, "; ".join(found.problems), found.stamp)
        failpoint("workdir.result.before")
        self._router.tell(found.report())
        failpoint("workdir.result.after")

    def _reject(self, name: str, reason: str, stamp: Stamp | None, head: bytes = b"") -> None:
        size = 0 if stamp is None else stamp.size
        _log.info("result_rejected", file=name, reason=reason)
        self._router.tell(InputRejected(origin="file", reason=f"{name}: {reason}", raw=head, size=size))
