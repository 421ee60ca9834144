"""When to try again, and when to leave it to a person."""

import random

import pytest

from actors.session.policy import CRASH_PERIOD, CRASHES, FIRST_RESPAWN, CrashWindow, Retries


def test_crashes_count_within_the_period() -> None:
    window = CrashWindow()
    assert [window.add(float(time)) for time in range(CRASHES)] == [False] * CRASHES
    assert window.add(CRASH_PERIOD) is True
    assert window.add(3 * CRASH_PERIOD) is False  # the others are long ago
    assert len(window) == 1
    assert 0 <= window.delay() <= FIRST_RESPAWN


def test_the_waits_grow_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low, high))
    retries = Retries(5.0, 300.0)
    longest = [min(300.0, 5.0 * 2**number) for number in range(40)]
    waits: list[object] = [retries.add() for _ in longest]  # the pair, in the place of a number between
    assert waits == [(most / 2, most) for most in longest]
    retries.clear()
    waits.append(retries.add())
    assert waits[-1] == (2.5, 5.0)
