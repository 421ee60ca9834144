"""The rules of restarting as plain functions and data: no threads, no clock, no chance of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisors.policy import Restart, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OWN_SHARE", "affected", "allowance", "is_restarted", "time_to_stop"]

OWN_SHARE = 0.1
"""Part of the time to stop that a supervisor keeps for itself, so that it is not abandoned too."""


def is_restarted(restart: Restart, *, normal: bool) -> bool:
    """Whether a child that ended by itself is started again."""
    if restart is Restart.TRANSIENT:
        return not normal
    return restart is Restart.PERMANENT


def affected(strategy: Strategy, names: Sequence[str], name: str) -> list[str]:
    """Who is restarted when `name` died, itself included, in the order of starting."""
    if strategy in (Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE):
        return [name]
    if strategy is Strategy.REST_FOR_ONE:
        return list(names[names.index(name) :])
    return list(names)


def allowance(shutdown: float | None, later: Sequence[float | None], remaining: float | None) -> float | None:
    """How long a child may take to stop when it and others after it share one deadline.

    If there is time for all, each gets what its spec says; else the time is shared in proportion,
    so that one child that hangs does not eat up the time of those that would stop at once.

    Args:
        shutdown: What the child's spec says, in seconds; None means as long as it takes.
        later: The same of those that are stopped after it.
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
    """Seconds that a supervisor needs whose children may take so long: what its own spec's `shutdown` should be."""
    needed = max(shutdowns, default=0.0) if strategy is Strategy.SIMPLE_ONE_FOR_ONE else sum(shutdowns)
    return needed / (1 - OWN_SHARE)
