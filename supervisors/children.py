"""A supervisor's record of one child, and the notices about it that it sends to itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from supervisors.reports import ChildInfo, ChildStatus

if TYPE_CHECKING:
    from supervisors.life import Life
    from supervisors.spec import ChildSpec
    from supervisors.system import System
    from supervisors.timers import Timer

__all__ = ["Child", "ChildExited", "RestartDue"]


@dataclass(slots=True, eq=False)
class Child:
    """A supervisor's record of one child.

    Attributes:
        spec: Its specification.
        life: Its living incarnation, if there is one.
        pending: True while a restart is due, its own or a sibling's.
        retired: True after it was stopped on purpose, so that a sibling's restart leaves it stopped.
        attempts: Restarts in a row, for the backoff.
        restarts: All restarts.
        ticket: Number of the restart that is due, so that an outdated one is recognized.
        timer: The timer of that restart.
        last_reason: The reason of its last abnormal end, in one line.
        is_supervisor: True if its last incarnation was a supervisor.
    """

    spec: ChildSpec
    life: Life | None = None
    pending: bool = False
    retired: bool = False
    attempts: int = 0
    restarts: int = 0
    ticket: int = 0
    timer: Timer | None = None
    last_reason: str | None = None
    is_supervisor: bool = False

    @property
    def name(self) -> str:
        """The child's name."""
        return self.spec.name

    def cancel_restart(self) -> None:
        """Cancel a restart that is due."""
        self.pending = False
        self.ticket += 1
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def info(self, system: System) -> ChildInfo:
        """Return its present state as a `ChildInfo`."""
        mailbox = system.mailbox(self.name)
        return ChildInfo(
            name=self.name,
            status=self._status(),
            incarnation=mailbox.incarnations,
            waiting=len(mailbox.items),
            restarts=self.restarts,
            last_reason=self.last_reason,
            restart=self.spec.restart,
            supervisor=self.is_supervisor,
        )

    def _status(self) -> ChildStatus:
        if self.life is not None:
            return ChildStatus.RUNNING
        return ChildStatus.BACKING_OFF if self.pending else ChildStatus.STOPPED


class ChildExited(NamedTuple):
    """Notice: this incarnation of a child has ended."""

    life: Life


class RestartDue(NamedTuple):
    """Notice: the delay before a restart is over."""

    child: Child
    ticket: int
