"""The system: its names, the root of its tree, its start and stop."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

import structlog

from supervisors import asking
from supervisors.errors import (
    Abandoned,
    NameTaken,
    StartFailed,
    StartTimeout,
    SupervisionError,
)
from supervisors.handle import Handle
from supervisors.life import Life
from supervisors.mailbox import Mailbox
from supervisors.reports import brief
from supervisors.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisors.protocols import Incarnation
    from supervisors.reports import DeadLetter, ExitReport
    from supervisors.spec import ChildSpec

__all__ = ["System"]

T = TypeVar("T")

log = structlog.stdlib.get_logger("supervisors.system")


class System:
    """A tree of supervised actors, and their names. It can be started only once.

    Args:
        on_dead_letter: Called with each message that killed too many readers.
        on_exit: Called with the end of each incarnation.
            Both are called in the thread of the actor concerned, or of its supervisor. They must not
            wait for an actor. Their exceptions are logged.
        clock: Returns the seconds by which lifetimes and periods of restarts are measured; never goes
            back. (Waits and timers always use the machine's monotonic clock.)

    Attributes:
        timers: The timers of all actors.
        clock: See above.

    Example:
        A system with one supervised actor::

            system = System()
            counter = ChildSpec("counter", Counter)
            system.start(ChildSpec("root", lambda context: Supervisor(context, children=[counter])))
            system.handle("counter").tell(3)
            system.stop()
    """

    def __init__(
        self,
        on_dead_letter: Callable[[DeadLetter], object] | None = None,
        on_exit: Callable[[ExitReport], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timers = Timers()
        self.clock = clock
        self._on_dead_letter = on_dead_letter
        self._on_exit = on_exit
        self._names = threading.RLock()
        self._mailboxes: dict[str, Mailbox] = {}
        self._handles: dict[str, Handle] = {}
        self._lives: dict[str, Life] = {}
        self._abandoned: list[Life] = []
        self._root: Life | None = None
        self._changed = threading.Condition()
        self._closed = False

    # The public interface.

    def handle(self, name: str) -> Handle:
        """Return the address of a name; the actor need not exist yet."""
        handle = self._handles.get(name)
        if handle is None:
            handle = self._handles.setdefault(name, Handle(self.mailbox(name)))
        return handle

    def start(self, root: ChildSpec) -> None:
        """Start the root, usually a `Supervisor`, and return when it is ready.

        Raises:
            StartFailed: With the cause. Actors that had already started are stopped.
            SupervisionError: The system was started before.
        """
        with self._changed:
            if self._root is not None or self._closed:
                raise SupervisionError("a system is started once")
            life = self._root = self.spawn(root, None, self._root_changed)
        if not self._wait_for(lambda: life.started or life.ended, root.start_timeout):
            life.abandon(StartTimeout(root.name, root.start_timeout))
        if not life.started:
            self.stop()
            raise StartFailed(root.name) from (life.report.reason if life.report else None)

    def stop(self, timeout: float | None = 10.0) -> list[str]:
        """Stop all actors in reverse order, and return when that is done. Idempotent.

        Args:
            timeout: Seconds for all together; None for as long as the specs allow.

        Returns:
            The names of abandoned actors whose threads still run.

        Raises:
            SupervisionError: Called by an actor, which would wait for itself.
        """
        lineage = asking.lineage()
        if lineage and self._mailboxes.get(lineage[0].name) is lineage[0]:
            raise SupervisionError("a system is not stopped by one of its own actors")
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._root is not None:
            self._stop_root(self._root, deadline)
        self._close()
        return [life.name for life in self._abandoned if life.thread.is_alive()]

    def wait(self, timeout: float | None = None) -> ExitReport | None:
        """Wait until the root has ended, by `stop` or by itself.

        Args:
            timeout: Seconds; None for as long as it takes.

        Returns:
            Its exit report (`reason` is set if it failed); None if it still lives.
        """
        self._wait_for(lambda: self._root is not None and self._root.ended, timeout)
        return self._root.report if self._root else None

    # For the parts of this package.

    def mailbox(self, name: str) -> Mailbox:
        """Return the mailbox of a name."""
        with self._names:
            mailbox = self._mailboxes.get(name)
            if mailbox is None:
                mailbox = self._mailboxes[name] = Mailbox(name)
                if self._closed:
                    mailbox.close()
            return mailbox

    def spawn(self, spec: ChildSpec, parent: Incarnation | None, on_change: Callable[[Life], None]) -> Life:
        """Begin a new incarnation.

        Args:
            spec: The specification of the actor.
            parent: The incarnation of its supervisor.
            on_change: Called, by any thread, when it has started and when it has ended.

        Raises:
            NameTaken: The name is taken.
        """
        with self._names:
            if spec.name in self._lives:
                raise NameTaken(spec.name)
            mailbox = self.mailbox(spec.name)
            life = self._lives[spec.name] = Life(self, spec, mailbox, parent, on_change)
            mailbox.open()
        life.begin()
        return life

    def find_life(self, name: str) -> Life | None:
        """Return the living incarnation of a name, if there is one."""
        return self._lives.get(name)

    def retire(self, name: str) -> None:
        """Refuse asks to this name, unless an actor lives under it elsewhere: no reader is expected."""
        with self._names:
            if name not in self._lives:
                self.mailbox(name).close()

    def ended(self, report: ExitReport) -> None:
        """Record the end of an incarnation."""
        with self._names:
            life = self._lives.pop(report.name)
            orphans = [other for other in self._lives.values() if other.parent is life]
        if report.reason is None:
            log.debug("child_exited", actor=report.name, incarnation=report.incarnation)
        else:
            self._log_crash(report)
        if report.abandoned:
            self._abandoned.append(life)
        for orphan in orphans:  # there are none, unless a supervisor had to be abandoned
            orphan.abandon(Abandoned(orphan.name))
        if self._on_exit is not None:
            self._call(self._on_exit, report)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Record a message that is not redelivered any more."""
        log.error("message_dead", actor=letter.name, content=brief(letter.message), kills=letter.kills)
        if self._on_dead_letter is not None:
            self._call(self._on_dead_letter, letter)

    def _log_crash(self, report: ExitReport) -> None:
        log.error(
            "child_exited",
            actor=report.name,
            incarnation=report.incarnation,
            stage=report.stage.value,
            abandoned=report.abandoned,
            exc_info=report.reason,
        )

    @staticmethod
    def _call(callback: Callable[[T], object], fact: T) -> None:
        try:
            callback(fact)
        except BaseException as error:  # the boundary: a failing callback must not stop an actor's end
            log.exception("callback_failed", fact=brief(fact), exc_info=error)

    def _root_changed(self, life: Life) -> None:
        if life.ended:
            self._close()
        with self._changed:
            self._changed.notify_all()

    def _stop_root(self, root: Life, deadline: float | None) -> None:
        root.stop(deadline)
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        if self._wait_for(lambda: root.ended, remaining):
            root.join(deadline)
        else:
            root.abandon(Abandoned(root.name))

    def _wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def _close(self) -> None:
        """Refuse all asks from now on, and cancel all timers."""
        with self._names:
            self._closed = True
            mailboxes = list(self._mailboxes.values())
        for mailbox in mailboxes:
            mailbox.close()
        self.timers.close()
