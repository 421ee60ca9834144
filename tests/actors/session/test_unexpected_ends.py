"""Tests of unexpected ends: the words for a person, and the time until the next start."""

import pytest

from actors.session.crashes import CRASH_PERIOD, CRASHES, Crashes, describe_exit
from actors.session.drive import Exited
from tests.actors.session.clock import StageClock


@pytest.fixture
def clock() -> StageClock:
    clock = StageClock()
    clock.draw = lambda _low, high: high
    return clock


def exited(code: int, noise: str = "") -> Exited:
    return Exited(epoch=1, code=code, noise=noise)


def test_a_crash_says_what_happened_and_how_long_to_wait(clock: StageClock) -> None:
    crashes = Crashes(clock)
    crash, other = crashes.add(exited(1, "x" * 600)), crashes.add(exited(-9))
    assert crash.detail == "claude ended by itself with exit code 1: " + "x" * 500
    assert other.detail == "claude ended by itself with signal 9"
    assert (crash.seconds, other.seconds) == (0.4, 0.8)


def test_after_too_many_it_is_for_a_person_until_something_good_happens(clock: StageClock) -> None:
    crashes = Crashes(clock)
    ends = [crashes.add(exited(1)) for _ in range(CRASHES + 1)]
    assert [end.seconds is None for end in ends] == [False] * CRASHES + [True]
    assert ends[-1].detail.endswith(f"exit code 1; it crashed {CRASHES + 1} times in a row")
    crashes.clear()
    assert crashes.add(exited(1)).seconds is not None


def test_crashes_of_long_ago_do_not_count(clock: StageClock) -> None:
    crashes = Crashes(clock)
    for _ in range(CRASHES):
        crashes.add(exited(1))
    clock.advance(CRASH_PERIOD + 1)
    assert crashes.add(exited(1)).seconds == 0.4


def test_an_end_in_words() -> None:
    assert (describe_exit(3), describe_exit(-15)) == ("exit code 3", "signal 15")
