"""The rules of restarting as pure functions: no threads, no clock, no randomness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisors.policy import Restart, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OWN_SHARE", "affected", "allowance", "is_restarted", "time_to_stop"]

OWN_SHARE = 0.1
"""Part of the time to stop that a supervisor keeps for itself, so that it is not abandoned too."""


def is_restarted(restart: Restart, *, normal: bool) -> bool:
    """Tell whether a child that ended by itself is restarted."""
    if restart is Restart.TRANSIENT:
        return not normal
    return restart is Restart.PERMANENT


def affected(strategy: Strategy, names: Sequence[str], name: str) -> list[str]:
    """Return the children to restart after `name` died, itself included, in the order of starting."""
    if strategy in (Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE):
        return [name]
    if strategy is Strategy.REST_FOR_ONE:
        return list(names[names.index(name) :])
    return list(names)


def allowance(shutdown: float | None, later: Sequence[float | None], remaining: float | None) -> float | None:
    """Return the time that a child may take to stop when it shares one deadline with those stopped after it.

    If there is time for all, each gets the `shutdown` of its spec. Otherwise the time is shared in proportion,
    so that a child that hangs does not use up the time of children that would stop at once.

    Args:
        shutdown: The child's `shutdown` in seconds; None for as long as it takes.
        later: The `shutdown` of each child that is stopped after it.
        remaining: Seconds until the deadline; None if there is none.

    Returns:
        Seconds, or None for as long as it takes.
    """
    if remaining is None:
        return shutdown
    remaining = max(0.0, remaining)
    wanted = remaining if shutdown is None else shutdown
    total = wanted + sum(remaining if other is None else other for other in later)
    return wanted if total <= remaining else remaining * wanted / total


def time_to_stop(strategy: Strategy, shutdowns: Sequence[float]) -> float:
    """Return the `shutdown` in seconds that a supervisor's own spec needs, given those of its children."""
    needed = max(shutdowns, default=0.0) if strategy is Strategy.SIMPLE_ONE_FOR_ONE else sum(shutdowns)
    return needed / (1 - OWN_SHARE)
