"""When to try again."""

import random

import pytest

from actors.lib import backoff
from actors.lib.backoff import Retry


def test_the_bound_doubles_from_one_second_to_thirty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 1.0)
    monkeypatch.setattr(random, "uniform", lambda low, high: (low, high))
    attempts = Retry()
    bounds: list[object] = []  # the pair, in the place of a number between
    for _ in range(7):
        attempts.failed()
        bounds.append(attempts.delay())
    assert bounds == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 30), (0, 30)]

    attempts.reset()
    bounds.append(attempts.delay())
    assert bounds[-1] == (0, 1)


def test_it_never_gives_up_unless_told_to() -> None:
    attempts = Retry()
    for _ in range(10_000):
        attempts.failed()
    assert not attempts.exhausted
    assert attempts.delay() <= backoff.LONGEST


def test_it_gives_up_after_so_many_failures_in_a_row() -> None:
    attempts = Retry(limit=2)
    attempts.failed()
    attempts.reset()
    attempts.failed()
    assert not attempts.exhausted
    attempts.failed()
    assert attempts.exhausted
