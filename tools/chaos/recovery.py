"""Recovery times, from each kill to the matching sign of life."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tools.chaos.evidence import Evidence
from tools.chaos.keeper import Keeper
from tools.chaos.kinds import Kill


class Recovery(NamedTuple):
    """The times of one kind of kill, in seconds, sorted.

    Attributes:
        kills: The number of kills.
        times: The times, without kills that were followed by the death of a larger part.
        sign: The event that counts as the recovery.
    """

    kind: str
    kills: int
    times: list[float]
    sign: str

    def quantile(self, part: float) -> float:
        """Return a quantile of the times."""
        return self.times[min(len(self.times) - 1, int(len(self.times) * part))]


class Signs:
    """Times of signs of life, by kind and target, each in order."""

    def __init__(self, found: Evidence, coordinator: Keeper) -> None:
        self._times: dict[str, list[float]] = defaultdict(list)
        self._times["coordinator"] = coordinator.started
        for restart in coordinator.restarts:
            self._times[f"actor {restart.actor}"].append(restart.at)
        for event in found.events:
            if event["kind"] in ("session.starting", "session.resuming"):
                self._times[f"agent {event['agent']}"].append(event["at"])
            elif event["kind"] == "backend.open":
                self._times["backend"].append(event["at"])
        self._times["anything"] = found.stamps

    def after(self, at: float, what: str) -> float | None:
        """Return the first of these signs after a time."""
        times = self._times[what]
        place = bisect_right(times, at)
        return times[place] if place < len(times) else None


def recoveries(kills: Sequence[Kill], found: Evidence, coordinator: Keeper) -> list[Recovery]:
    """Return the recoveries of all kinds, followed by those of any progress after any kill."""
    signs = Signs(found, coordinator)
    ends = sorted(each.at for each in kills if each.kind.startswith("coordinator"))
    kinds = sorted({each.kind for each in kills})
    table = [_of_kind(kind, [each for each in kills if each.kind == kind], signs, ends) for kind in kinds]
    return [*table, _measure("anything", "any progress at all", kills, lambda _: "anything", signs, [])]


def _of_kind(kind: str, kills: Sequence[Kill], signs: Signs, ends: Sequence[float]) -> Recovery:
    if kind.startswith("coordinator"):
        return _measure(kind, "it is ready again", kills, lambda _: "coordinator", signs, [])
    if kind == "actor":
        return _measure(kind, "it lives again", kills, lambda kill: f"actor {kill.target}", signs, ends)
    if kind.startswith("agent"):
        return _measure(
            kind, "its claude runs again", kills, lambda kill: f"agent {kill.target}", signs, ends
        )
    if not kind.startswith(("backend", "network")):
        return _measure(kind, "any progress at all", kills, lambda _: "anything", signs, [])
    return _measure(kind, "the backend is connected again", kills, lambda _: "backend", signs, ends)


def _measure(
    kind: str,
    sign: str,
    kills: Sequence[Kill],
    what: Callable[[Kill], str],
    signs: Signs,
    ends: Sequence[float],
) -> Recovery:
    times = []
    for kill in kills:
        back = signs.after(kill.at, what(kill))
        place = bisect_right(ends, kill.at)
        if back is not None and (place == len(ends) or back < ends[place]):
            times.append(back - kill.at)
    return Recovery(kind, len(kills), sorted(times), sign)
