"""Supervision's reports: immutable facts about ends, children and dead letters."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supervisors.policy import Restart

__all__ = ["ChildCount", "ChildInfo", "ChildStatus", "DeadLetter", "ExitReport", "LifeStage", "brief"]


_BRIEF = reprlib.Repr()
_BRIEF.maxother = _BRIEF.maxstring = 200


def brief(value: object) -> str:
    """Return a value's `repr` as one line of limited length, even if that `repr` fails."""
    return _BRIEF.repr(value)


class LifeStage(Enum):
    """A stage in an incarnation's life."""

    INIT = "init"
    START = "start"
    RECEIVE = "receive"
    BATCH = "batch"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class ExitReport:
    """The end of one incarnation; each incarnation has exactly one report.

    Attributes:
        name: The actor's name.
        incarnation: 1 for the first, and so on.
        reason: None after an orderly stop, else the exception (with its traceback).
        stage: The stage in which it ended.
        started: True if `on_start` had returned.
        abandoned: True if its thread was left behind, perhaps still running.
        lifetime: Seconds since its start began.
    """

    name: str
    incarnation: int
    reason: BaseException | None
    stage: LifeStage
    started: bool
    abandoned: bool
    lifetime: float

    @property
    def normal(self) -> bool:
        """True after an orderly stop."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is not redelivered any more, because it killed several readers.

    Attributes:
        name: The name that it was sent to.
        message: The message itself.
        reason: The exception that ended its last reader.
        traceback: The same as text.
        kills: The number of readers that it killed.
        incarnations: The incarnations that it killed.
    """

    name: str
    message: Any
    reason: BaseException
    traceback: str
    kills: int
    incarnations: tuple[int, ...]


class ChildStatus(Enum):
    """The state of a supervisor's child."""

    RUNNING = "running"
    BACKING_OFF = "backing_off"
    """Waits for its restart."""
    STOPPED = "stopped"
    """Ended or stopped; it is kept, but not restarted."""


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A child as its supervisor sees it now.

    Attributes:
        name: The child's name.
        status: Its state.
        incarnation: The present or last incarnation; 0 if there was none.
        waiting: Messages in its mailbox.
        restarts: The number of restarts by this supervisor.
        last_reason: The reason of its last abnormal end, in one line; None if there was none.
        restart: Its restart type.
        supervisor: True if it is a supervisor itself.
    """

    name: str
    status: ChildStatus
    incarnation: int
    waiting: int
    restarts: int
    last_reason: str | None
    restart: Restart
    supervisor: bool


@dataclass(frozen=True, slots=True)
class ChildCount:
    """The numbers of a supervisor's children.

    Attributes:
        specs: All that it has a spec for.
        active: Those that live.
        supervisors: The living ones that are supervisors.
        workers: The living ones that are not.
    """

    specs: int
    active: int
    supervisors: int
    workers: int
