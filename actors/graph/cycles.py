"""Cycles of the dependency graph: their detection, their members, and the shortest path through them.

Only open nodes are searched: the others wait for nothing.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal

from actors.graph.node import Node

Nodes = Mapping[str, Node]
Direction = Literal["pending", "dependents"]


def waits_for(nodes: Nodes, start: str, goal: str) -> bool:
    """Return whether ``start`` waits for ``goal``, directly or not; each node waits for itself.

    The search runs from both ends at once, level by level, and stops when either side is exhausted. A node that
    arrives in order has no dependents yet, and one that arrives in reverse order has no upstreams yet. So both cost
    nothing, however long the chain is.
    """
    up, down = {start}, {goal}
    above, below = {start}, {goal}
    while up and down and up.isdisjoint(below):
        up = _step(nodes, up, "pending") - above
        above |= up
        if not up.isdisjoint(below):
            break
        down = _step(nodes, down, "dependents") - below
        below |= down
    return not above.isdisjoint(below)


def knot(nodes: Nodes, node_id: str) -> set[str]:
    """Return all nodes that wait for the node and that it waits for, itself included; empty if it is in no cycle."""
    return _reach(nodes, node_id, "pending") & _reach(nodes, node_id, "dependents")


def shortest_cycle(nodes: Nodes, node_id: str) -> list[str]:
    """Return a shortest path from the node back to itself, always the same one; empty if there is none."""
    came_from: dict[str, str] = {}
    edge = deque([node_id])
    while edge:
        here = edge.popleft()
        for upstream in sorted(nodes[here].pending & nodes.keys()):
            if upstream == node_id:
                return _way(came_from, here, node_id)
            if upstream not in came_from:
                came_from[upstream] = here
                edge.append(upstream)
    return []


def _way(came_from: Mapping[str, str], here: str, start: str) -> list[str]:
    way = [start, here]
    while here != start:
        here = came_from[here]
        way.append(here)
    return way[::-1] if len(way) > 2 else [start, start]  # noqa: PLR2004 - it waits for itself directly


def _reach(nodes: Nodes, node_id: str, direction: Direction) -> set[str]:
    reached: set[str] = set()
    edge = {node_id}
    while edge:
        edge = _step(nodes, edge, direction) - reached
        reached |= edge
    return reached


def _step(nodes: Nodes, edge: Iterable[str], direction: Direction) -> set[str]:
    return {each for node_id in edge for each in getattr(nodes[node_id], direction) if each in nodes}
