"""One incarnation of an actor, from the start of its thread to its one exit report."""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING

import structlog

from supervisors import asking
from supervisors._pykka import envelope, fail
from supervisors.context import ActorContext
from supervisors.errors import Abandoned, ActorDied
from supervisors.reader import Last, Leftovers, Reader, Stop
from supervisors.reports import DeadLetter, ExitReport, LifeStage

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisors.actor import Actor
    from supervisors.mailbox import Mailbox
    from supervisors.protocols import Host, Incarnation
    from supervisors.spec import ChildSpec
    from supervisors.timers import Timer

__all__ = ["Life"]

log = structlog.stdlib.get_logger("supervisors.life")


class Life:
    """One incarnation: its thread, its reader, its timers and its end.

    It has exactly one exit report. Its own thread and, if it is abandoned, its supervisor's may both try to end it;
    the first one decides how, under a lock. An abandoned thread may come back later. It then finds its reader fenced
    and its end reported, so it changes nothing any more.

    Attributes:
        spec: The specification that it was started from.
        number: 1 for the first incarnation of the name.
        parent: The incarnation of the supervisor that started it; None for the root.
        lineage: Its mailbox, then those of the supervisors above it, the nearest first.
        reader: Takes its messages out of the mailbox.
        timers: Its pending timers.
        actor: The actor, from its creation to its end.
        is_supervisor: True if the actor, once created, is a supervisor.
        started: True once `on_start` has returned.
        ending: True once its end is being reported, or has been.
        report: Its exit report; None while it lives.
        thread: The thread that it runs in.
    """

    def __init__(
        self,
        system: Host,
        spec: ChildSpec,
        mailbox: Mailbox,
        parent: Incarnation | None,
        on_change: Callable[[Life], None],
    ) -> None:
        mailbox.incarnations += 1
        self.spec = spec
        self.number = mailbox.incarnations
        self.parent = parent
        self.lineage: tuple[Mailbox, ...] = (mailbox, *(parent.lineage if parent else ()))
        self.reader = Reader(mailbox, self.number)
        self.timers: set[Timer] = set()
        self.actor: Actor | None = None
        self.is_supervisor = False
        self.started = False
        self.ending = False
        self.report: ExitReport | None = None
        self.thread = threading.Thread(target=self._run, name=f"actor:{spec.name}#{self.number}", daemon=True)
        self._system = system
        self._mailbox = mailbox
        self._drains = False
        self._on_change = on_change
        self._stage = LifeStage.INIT
        self._began = system.clock()
        self._ending = threading.Lock()
        self._finished = threading.Event()
        self.context = ActorContext(spec.name, self.number, system, system.handle(spec.name), self)

    @property
    def name(self) -> str:
        """The actor's name."""
        return self.spec.name

    @property
    def ended(self) -> bool:
        """True once it has ended or was abandoned."""
        return self.report is not None

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call `call` in `seconds`, unless this incarnation ends before; see `Timers.after`."""
        timer = self._system.timers.after(seconds, call, self.timers)
        if self.ending:  # abandoned; checked last, because its timers may just have been cancelled
            timer.cancel()
        return timer

    def join(self, deadline: float | None) -> None:
        """Wait until the thread has finished too, a moment after the end. An abandoned one is not waited for."""
        if self.thread.ident is not None and self.report is not None and not self.report.abandoned:
            self.thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def begin(self) -> None:
        """Start the thread. If that fails, the incarnation ends with the error."""
        try:
            self.thread.start()
        except RuntimeError as error:  # the operating system gives no more threads
            self._end(error)

    def stop(self, deadline: float | None) -> None:
        """Request an orderly end, by `deadline` on the monotonic clock."""
        stop = Stop(deadline)
        if self.started and self._drains:
            self._mailbox.put(envelope(Last(self.number, stop)))
        else:
            self.reader.send(stop)

    def abandon(self, reason: BaseException) -> None:
        """Count the incarnation as ended although its thread still runs; its reader is fenced, so it reads no more."""
        self.reader.send(Stop(time.monotonic()))
        self._release(self.reader.fence(), reason)
        self._finish(reason, abandoned=True)
        self._finished.wait()  # its own thread may have been a moment faster, and be about to report

    def _run(self) -> None:
        asking.enter(self.lineage)
        try:
            self._live()
        except BaseException as error:  # noqa: BLE001  # the boundary: every reason is reported
            self._end(error)
        else:
            self._end(None)
        self.actor = None

    def _live(self) -> None:
        self.actor = actor = self.spec.start(self.context)
        self.is_supervisor, self._drains = actor.supervises, actor.drains
        with self._ending:
            self._check()
            actor._enter()  # noqa: SLF001  # the seam to pykka
        self._stage = LifeStage.START
        actor.on_start()
        with self._ending:
            self._check()
            self.started = self._mailbox.alive = True
        self._stage = LifeStage.RECEIVE
        self._on_change(self)
        actor._work(self.reader)  # noqa: SLF001  # the base class's part

    def _check(self) -> None:
        """Stop here if this incarnation was abandoned meanwhile."""
        if self.ending:
            raise Abandoned(self.name)

    def _end(self, reason: BaseException | None) -> None:
        if self.reader.committing:
            self._stage = LifeStage.BATCH
        self._release(self.reader.fence(), reason)
        if self.actor is not None:
            try:
                self.actor.on_exit(reason)
            except BaseException as error:  # noqa: BLE001  # the same boundary
                reason = self._exit_failed(error, reason)
        self._finish(reason, abandoned=False)

    def _exit_failed(self, error: BaseException, reason: BaseException | None) -> BaseException:
        if reason is None:
            self._stage = LifeStage.EXIT
            return error
        log.error("exit_hook_failed", actor=self.name, incarnation=self.number, exc_info=error)
        return reason

    def _release(self, leftovers: Leftovers, reason: BaseException | None) -> None:
        """Answer the asks that killed this incarnation, and report its dead letters."""
        if reason is None:
            return
        for asked in leftovers.asks:
            fail(asked, self._as_answer(reason))
        for dead in leftovers.dead:
            text = "".join(traceback.format_exception(reason))
            letter = DeadLetter(self.name, dead.message, reason, text, len(dead.killed), dead.killed)
            self._system.dead_letter(letter)

    def _as_answer(self, reason: BaseException) -> Exception:
        if isinstance(reason, Exception):
            return reason
        died = ActorDied(self.name)  # a SystemExit must not end the asker's thread too
        died.__cause__ = reason
        return died

    def _finish(self, reason: BaseException | None, *, abandoned: bool) -> None:
        """End the incarnation exactly once; the first call decides how."""
        with self._ending:
            if self.ending:
                return
            self.ending = True
            actor = self.actor  # its own thread, which comes here too, forgets it after that
            self._mailbox.alive = False
        lifetime = self._system.clock() - self._began
        report = ExitReport(self.name, self.number, reason, self._stage, self.started, abandoned, lifetime)
        self._system.timers.cancel_group(self.timers)
        if actor is not None:
            actor._leave()  # noqa: SLF001  # the seam to pykka
        self._system.ended(report)
        self.report = report  # last of all: from now on the name is free again
        self._finished.set()
        self._on_change(self)
