"""Detection of cycles."""

from collections.abc import Callable, Iterable, Iterator


def find_cycle(starts: Iterable[str], following: Callable[[str], Iterable[str]]) -> list[str] | None:
    """Find a cycle that can be reached from the starts, by a depth-first walk.

    Each node is visited once, whatever the number of starts. There is no recursion, so depth is not limited.

    Args:
        starts: the nodes to start from.
        following: returns a node's successors.

    Returns:
        The path of the cycle, with its first node repeated at its end; None if there is no cycle.
    """
    finished: set[str] = set()
    for start in starts:
        if start not in finished and (path := _walk(start, following, finished)):
            return path
    return None


def _walk(start: str, following: Callable[[str], Iterable[str]], finished: set[str]) -> list[str] | None:
    path: dict[str, Iterator[str]] = {start: iter(following(start))}
    while path:
        node, ahead = next(reversed(path.items()))
        successor = next(ahead, None)
        if successor is None:
            finished.add(node)
            del path[node]
        elif successor in path:
            nodes = list(path)
            return [*nodes[nodes.index(successor) :], successor]
        elif successor not in finished:
            path[successor] = iter(following(successor))
    return None
