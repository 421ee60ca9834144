"""Tests of the detection of cycles."""

import sys

import pytest

from backend.graph import find_cycle


@pytest.mark.parametrize(
    ("edges", "starts", "cycle"),
    [
        ({}, "a", None),
        ({"a": "b", "b": "c"}, "a", None),
        ({"a": "bc", "b": "d", "c": "d"}, "a", None),
        ({"a": "a"}, "a", ["a", "a"]),
        ({"a": "b", "b": "c", "c": "b"}, "a", ["b", "c", "b"]),
        ({"a": "b", "x": "y", "y": "x"}, "a", None),
        ({"a": "b", "x": "y", "y": "x"}, "ax", ["x", "y", "x"]),
    ],
)
def test_a_cycle_is_found_where_the_starts_lead_to_one(
    edges: dict[str, str], starts: str, cycle: list[str] | None
) -> None:
    assert find_cycle(starts, lambda node: edges.get(node, "")) == cycle


def test_a_long_chain_needs_no_stack_and_each_node_is_visited_once() -> None:
    visited: list[str] = []
    length = sys.getrecursionlimit() * 3

    def following(node: str) -> list[str]:
        visited.append(node)
        return [str(int(node) + 1)] if int(node) < length else []

    assert find_cycle(["0", "5", "0"], following) is None
    assert len(visited) == length + 1
