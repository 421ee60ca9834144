"""Finding a way through the graph from both ends at once.

Whichever side runs out first ends the search. A node that arrives in order has no dependents yet, one that
arrives in reverse order has no upstreams yet: both cost nothing, however long the chain is.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

from actors.router.node import Node


class _Front:
    """The nodes reached from one end, level by level, each with the one that it was reached from."""

    def __init__(self, start: str) -> None:
        self.came_from: dict[str, str | None] = {start: None}
        self.edge = [start]

    def grow(self, neighbours: Mapping[str, Iterable[str]], other: "_Front") -> str | None:
        """Go one level further; the node where the two fronts meet, if they do."""
        reached = []
        for node_id in self.edge:
            for neighbour in neighbours[node_id]:
                if neighbour in self.came_from:
                    continue
                self.came_from[neighbour] = node_id
                if neighbour in other.came_from:
                    return neighbour
                reached.append(neighbour)
        self.edge = reached
        return None

    def back(self, node_id: str) -> list[str]:
        """The way from the node back to where this front began."""
        way = []
        step: str | None = node_id
        while step is not None:
            way.append(step)
            step = self.came_from[step]
        return way


class _Pending(Mapping[str, Iterable[str]]):
    def __init__(self, nodes: Mapping[str, Node], name: str) -> None:
        self._nodes, self._name = nodes, name

    def __getitem__(self, node_id: str) -> Iterable[str]:
        neighbours: Iterable[str] = getattr(self._nodes[node_id], self._name)
        return (each for each in neighbours if each in self._nodes)

    def __iter__(self) -> "chain[str]":
        return chain(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


def find_path(nodes: Mapping[str, Node], start: str, goal: str) -> list[str] | None:
    """How ``start`` waits for ``goal``: the ids from start to goal, both included, or None if it doesn't.

    Args:
        nodes: The open nodes; what isn't among them waits for nothing.
        start: The id to begin with.
        goal: The id to find among what it waits for, directly or not.
    """
    if start == goal:
        return [start]
    upward, downward = _Front(start), _Front(goal)
    waits_for, awaited_by = _Pending(nodes, "pending"), _Pending(nodes, "dependents")
    while upward.edge and downward.edge:
        met = upward.grow(waits_for, downward) or downward.grow(awaited_by, upward)
        if met is not None:
            return [*reversed(upward.back(met)), *downward.back(met)[1:]]
    return None
