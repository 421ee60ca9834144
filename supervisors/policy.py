"""The restart policy as data, validated when it is created."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

__all__ = ["AutoShutdown", "Backoff", "Intensity", "Restart", "Strategy", "is_seconds", "require"]


class Restart(Enum):
    """The condition for restarting a child that ended."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after an abnormal end."""
    TEMPORARY = "temporary"
    """Never; its spec is deleted."""


class Strategy(Enum):
    """The siblings that are restarted together with a child that died."""

    ONE_FOR_ONE = "one_for_one"
    """None."""
    ONE_FOR_ALL = "one_for_all"
    """All other children."""
    REST_FOR_ONE = "rest_for_one"
    """The children that were started after it."""
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """None. All children are started on demand and have no order, so they are stopped all at once."""


class AutoShutdown(Enum):
    """The condition under which significant children's ends stop their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


def require(*, holds: bool, name: str, must: str) -> None:
    """Check a field.

    Raises:
        ValueError: With the field's name.
    """
    if not holds:
        raise ValueError(f"{name}: must be {must}")


def is_seconds(value: object) -> bool:
    """Tell whether a value is a finite number of seconds, 0 or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


@dataclass(frozen=True, slots=True)
class Intensity:
    """A limit on the number of restarts within a period.

    Attributes:
        restarts: The most restarts within the period; after one more, the supervisor gives up.
        period: The length of the window in seconds.

    Raises:
        ValueError: With the field's name.
    """

    restarts: int = 5
    period: float = 30.0

    def __post_init__(self) -> None:
        whole = isinstance(self.restarts, int) and not isinstance(self.restarts, bool)
        require(holds=whole and self.restarts >= 0, name="restarts", must="a whole number, 0 or more")
        require(holds=is_seconds(self.period) and self.period > 0, name="period", must="above 0 seconds")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff: a random delay before the next attempt, under a growing limit.

    `Backoff(initial=1, maximum=30)` draws from 0 to 1, 0 to 2, 0 to 4 seconds, and so on up to 0 to 30; with
    `floor=0.5` from 0.5 to 1, 1 to 2, 2 to 4.

    Attributes:
        initial: The first limit in seconds.
        maximum: The limit grows no further than this, in seconds.
        factor: The limit is multiplied by this at each attempt.
        floor: The least delay as a part of the limit: 0 is "full jitter" (callers that failed together retry
            spread out), 0.5 is "equal jitter" (each also waits at least half the limit).

    Raises:
        ValueError: With the field's name.
    """

    initial: float = 0.1
    maximum: float = 30.0
    factor: float = 2.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        require(holds=is_seconds(self.initial), name="initial", must="0 or more seconds")
        enough = is_seconds(self.maximum) and self.maximum >= self.initial
        require(holds=enough, name="maximum", must="at least `initial`")
        require(holds=is_seconds(self.factor) and self.factor >= 1, name="factor", must="1 or more")
        require(holds=is_seconds(self.floor) and self.floor <= 1, name="floor", must="between 0 and 1")

    def bounds(self, attempt: int) -> tuple[float, float]:
        """Return the least and the most seconds to wait.

        Args:
            attempt: 0 for the first in a row.
        """
        try:
            limit = min(self.maximum, self.initial * self.factor**attempt)
        except OverflowError:
            limit = self.maximum
        return self.floor * limit, limit

    def delay(self, attempt: int, jitter: float) -> float:
        """Return the seconds to wait.

        Args:
            attempt: 0 for the first in a row.
            jitter: The position between the bounds, from 0 for the least to 1 for the most; usually random.
        """
        least, most = self.bounds(attempt)
        return least + jitter * (most - least)
