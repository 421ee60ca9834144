"""What a supervisor is told about its children: policy as data, checked where it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisors.actor import Actor
    from supervisors.context import ActorContext

__all__ = ["AutoShutdown", "Backoff", "ChildSpec", "Intensity", "Restart", "Strategy"]


class Restart(Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after an abnormal end."""
    TEMPORARY = "temporary"
    """Never; and its spec is forgotten."""


class Strategy(Enum):
    """Who is restarted together with a child that died."""

    ONE_FOR_ONE = "one_for_one"
    """Nobody else."""
    ONE_FOR_ALL = "one_for_all"
    """All other children."""
    REST_FOR_ONE = "rest_for_one"
    """The children that were started after it."""
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """Nobody else; and the children, which are all started on demand, know no order: they are stopped all at once."""


class AutoShutdown(Enum):
    """When the end of significant children ends their supervisor too."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


def _require(*, holds: bool, name: str, must: str) -> None:
    if not holds:
        raise ValueError(f"{name}: must be {must}")


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


@dataclass(frozen=True, slots=True)
class Intensity:
    """How many restarts are too many.

    Attributes:
        restarts: So many are allowed within the period; one more, and the supervisor gives up.
        period: The length of the window in seconds.

    Raises:
        ValueError: With the field's name.
    """

    restarts: int = 5
    period: float = 30.0

    def __post_init__(self) -> None:
        whole = isinstance(self.restarts, int) and not isinstance(self.restarts, bool)
        _require(holds=whole and self.restarts >= 0, name="restarts", must="a whole number, 0 or more")
        _require(holds=_seconds(self.period) and self.period > 0, name="period", must="above 0 seconds")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: at random between 0 and a growing limit ("full jitter").

    Attributes:
        initial: The first limit in seconds.
        maximum: The limit grows no further than this, in seconds.
        factor: What the limit is multiplied with at each attempt.

    Raises:
        ValueError: With the field's name.
    """

    initial: float = 0.1
    maximum: float = 30.0
    factor: float = 2.0

    def __post_init__(self) -> None:
        _require(holds=_seconds(self.initial), name="initial", must="0 or more seconds")
        enough = _seconds(self.maximum) and self.maximum >= self.initial
        _require(holds=enough, name="maximum", must="at least `initial`")
        _require(holds=_seconds(self.factor) and self.factor >= 1, name="factor", must="1 or more")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child of a supervisor.

    Attributes:
        name: Its name, unique in the whole system: mailbox and handles belong to it.
        start: Called as `start(context)`, in the new actor's thread; returns the actor.
        restart: When it is started again.
        shutdown: Seconds that it has to stop; None waits for ever, 0 abandons it at once.
        start_timeout: Seconds that `start` and `on_start` may take together.
        backoff: The delay before a restart.
        significant: Whether its end may end its supervisor (see `AutoShutdown`).

    Raises:
        ValueError: With the field's name.
    """

    name: str
    start: Callable[[ActorContext], Actor]
    restart: Restart = Restart.PERMANENT
    shutdown: float | None = 5.0
    start_timeout: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)
    significant: bool = False

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and bool(self.name)
        _require(holds=named, name="name", must="a string that is not empty")
        _require(holds=callable(self.start), name="start", must="callable")
        _require(holds=isinstance(self.restart, Restart), name="restart", must="a Restart")
        in_time = self.shutdown is None or _seconds(self.shutdown)
        _require(holds=in_time, name="shutdown", must="None, or 0 or more seconds")
        ready = _seconds(self.start_timeout) and self.start_timeout > 0
        _require(holds=ready, name="start_timeout", must="above 0 seconds")
        _require(holds=isinstance(self.backoff, Backoff), name="backoff", must="a Backoff")
        # A permanent child is always restarted, so its end can never be the end of its supervisor.
        can_end = not self.significant or self.restart is not Restart.PERMANENT
        _require(holds=can_end, name="significant", must="False for a permanent child")
