"""What supervision tells those who look: facts in the past tense, never changed afterwards."""

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
    """Show a value in a line of limited length, even one whose `repr` fails."""
    return _BRIEF.repr(value)


class LifeStage(Enum):
    """Where in its life an incarnation was."""

    INIT = "init"
    START = "start"
    RECEIVE = "receive"
    BATCH = "batch"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class ExitReport:
    """The end of one incarnation; there is exactly one of these for each.

    Attributes:
        name: The actor's name.
        incarnation: 1 for the first, and so on.
        reason: None after an orderly stop, else what it died of (with its traceback).
        stage: Where it was when it died.
        started: Whether `on_start` had returned.
        abandoned: Whether its thread was left behind, perhaps still running.
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
        """Whether it was an orderly stop."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is not handed out any more, because it killed its reader again and again.

    Attributes:
        name: Whom it was for.
        message: The message itself.
        reason: What its last reader died of.
        traceback: The same as text.
        kills: How many readers it killed.
        incarnations: Which ones.
    """

    name: str
    message: Any
    reason: BaseException
    traceback: str
    kills: int
    incarnations: tuple[int, ...]


class ChildStatus(Enum):
    """What a child of a supervisor is doing."""

    RUNNING = "running"
    BACKING_OFF = "backing_off"
    """Waits for its restart."""
    STOPPED = "stopped"
    """Ended, or was stopped; known, but not to be restarted."""


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A child as its supervisor sees it now.

    Attributes:
        name: The child's name.
        status: What it is doing.
        incarnation: The present or last incarnation; 0 if there was none.
        waiting: Messages in its mailbox.
        restarts: How often this supervisor has restarted it.
        last_reason: What the last incarnation that died has died of, in one line; None if none has.
        restart: Its restart type.
        supervisor: Whether it is a supervisor itself.
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
    """How many children a supervisor has.

    Attributes:
        specs: All that it knows.
        active: Those that live.
        supervisors: The living ones that are supervisors.
        workers: The living ones that are not.
    """

    specs: int
    active: int
    supervisors: int
    workers: int
