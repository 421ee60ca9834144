"""Retries and their waits."""

import pytest

from actors.lib.backoff import Retries
from supervisors import Backoff

BACKOFF = Backoff(initial=1.0, maximum=30.0)
LIMITS = [1, 2, 4, 8, 16, 30, 30]


def most(_: float, high: float) -> float:
    """Draw the longest wait."""
    return high


def test_the_bound_doubles_up_to_the_longest() -> None:
    retries = Retries(BACKOFF, jitter=most)
    assert [retries.failed() for _ in LIMITS] == LIMITS
    assert retries.delay() == 30
    retries.reset()
    assert retries.delay() == retries.failed() == 1


@pytest.mark.parametrize("floor", [0.0, 0.5, 1.0])
def test_the_wait_is_drawn_between_the_bounds(floor: float) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    retries = Retries(Backoff(initial=1.0, maximum=30.0, floor=floor), jitter=draw)
    assert [retries.failed() for _ in LIMITS] == [floor * limit for limit in LIMITS]
    assert drawn == [(floor * limit, limit) for limit in LIMITS]


def test_by_default_it_is_random_within_the_bounds() -> None:
    retries = Retries(Backoff(initial=1.0, maximum=1.0, floor=0.5))
    waits = {retries.failed() for _ in range(100)}
    assert len(waits) > 1
    assert all(0.5 <= wait <= 1.0 for wait in waits)


def test_it_never_gives_up_unless_told_to() -> None:
    retries = Retries(BACKOFF)
    for _ in range(10_000):
        retries.failed()
    assert not retries.exhausted
    assert retries.delay() <= retries.longest


def test_it_gives_up_after_so_many_failures_in_a_row() -> None:
    retries = Retries(BACKOFF, limit=2)
    retries.failed()
    retries.reset()
    retries.failed()
    assert not retries.exhausted
    retries.failed()
    assert retries.exhausted
