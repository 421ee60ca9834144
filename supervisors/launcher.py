"""Starting and stopping children, each within its time limit."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from supervisors import restarts
from supervisors.children import ChildExited
from supervisors.errors import Abandoned, NameTaken, StartTimeout
from supervisors.reader import Stop
from supervisors.reports import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisors.children import Child
    from supervisors.context import ActorContext
    from supervisors.life import Life
    from supervisors.system import System

__all__ = ["Launcher"]


class Launcher:
    """Starts and stops a supervisor's children. It waits in the supervisor's thread and notices its signals.

    Args:
        system: The children's system.
        context: The supervisor's context.
    """

    def __init__(self, system: System, context: ActorContext) -> None:
        self._system = system
        self._context = context
        self._reader = context.life.reader

    @property
    def interrupted(self) -> bool:
        """True once the supervisor itself has been told to end."""
        return self._reader.signal is not None

    def launch(self, child: Child) -> BaseException | None:
        """Start a child, and wait until its start is over or the supervisor itself has to end.

        Returns:
            The error if the start failed; None if it succeeded or was interrupted.
        """
        child.cancel_restart()
        child.retired = False
        spec = child.spec
        try:
            life = self._system.spawn(spec, self._context.life, self._on_change)
        except NameTaken as error:
            return error
        child.life = life
        deadline = time.monotonic() + spec.start_timeout
        settled = self._reader.wait_until(
            lambda: life.started or life.ended or self.interrupted, lambda: deadline
        )
        if not settled:
            life.abandon(StartTimeout(spec.name, spec.start_timeout))
        if life.report is not None and not life.report.started:
            child.life = None
            child.last_reason = brief(life.report.reason)
            return life.report.reason
        child.is_supervisor = life.is_supervisor
        return None

    def halt(self, child: Child, allowance: float | None = None) -> None:
        """Stop a child, and cancel a restart that is due.

        Args:
            child: May be stopped already.
            allowance: Seconds to stop in; None for the `shutdown` of its spec.
        """
        self._see_off(child, self._send_stop(child, allowance))

    def stop_all(self, children: Sequence[Child]) -> None:
        """Stop all children for good, in reverse order, within the supervisor's own time."""
        deadline = self._own_deadline()
        order = list(reversed(children))
        for position, child in enumerate(order):
            later = [other.spec.shutdown for other in order[position + 1 :] if other.life is not None]
            remaining = None if deadline is None else deadline - time.monotonic()
            self.halt(child, restarts.allowance(child.spec.shutdown, later, remaining))
            self._system.retire(child.name)

    def stop_together(self, children: Sequence[Child]) -> None:
        """Stop all children for good, all at once, within the supervisor's own time."""
        own = self._own_deadline()
        remaining = None if own is None else own - time.monotonic()
        deadlines = [
            self._send_stop(child, restarts.allowance(child.spec.shutdown, [], remaining))
            for child in children
        ]
        for child, deadline in zip(children, deadlines, strict=True):
            self._see_off(child, deadline)
            self._system.retire(child.name)

    def _send_stop(self, child: Child, allowance: float | None) -> float | None:
        """Tell a child to stop, and return its deadline on the monotonic clock."""
        child.cancel_restart()
        seconds = child.spec.shutdown if allowance is None else allowance
        deadline = None if seconds is None else time.monotonic() + seconds
        if child.life is not None:
            child.life.stop(deadline)
        return deadline

    def _see_off(self, child: Child, deadline: float | None) -> None:
        """Wait until a child that was told to stop has ended, or abandon it."""
        life, child.life = child.life, None
        if life is None:
            return
        if self._reader.wait_until(lambda: life.ended, lambda: self._sooner(deadline)):
            life.join(self._sooner(deadline))
        else:
            life.abandon(Abandoned(child.name))

    def _on_change(self, life: Life) -> None:
        if life.ended:
            self._context.handle.tell(ChildExited(life))
        self._reader.ring()

    def _own_deadline(self) -> float | None:
        """Return the time by which all children must have stopped; None without a deadline."""
        signal = self._reader.signal
        if not isinstance(signal, Stop) or signal.deadline is None:
            return None
        return signal.deadline - restarts.OWN_SHARE * max(0.0, signal.deadline - time.monotonic())

    def _sooner(self, deadline: float | None) -> float | None:
        """Return the child's deadline, or the supervisor's own if that is sooner by now."""
        own = self._own_deadline()
        sooner = min(math.inf if deadline is None else deadline, math.inf if own is None else own)
        return None if sooner == math.inf else sooner
