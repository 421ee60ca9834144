"""Tests of unexpected ends: the words for a person, and the time until the next start."""

import pytest

from actors.session.crashes import CALM_SECONDS, ENDS, HANGS, KILLS, RESPAWN, Crashes, describe_exit
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
    crash = crashes.add(exited(1, "x" * 600), was_hung=False)
    killed = crashes.add(exited(-9), was_hung=False)
    hung = crashes.add(exited(-9), was_hung=True)
    assert crash.detail == "claude ended by itself with exit code 1: " + "x" * 500
    assert killed.detail == "claude ended by itself with signal 9"
    assert hung.detail == "claude was considered hung and killed with signal 9"
    assert (crash.seconds, killed.seconds, hung.seconds) == (0.4, 0.8, 1.6)


@pytest.mark.parametrize(
    ("code", "was_hung", "most"),
    [(1, False, ENDS), (-9, False, KILLS), (-15, False, KILLS), (-9, True, HANGS)],
)
def test_after_too_many_it_is_for_a_person_until_something_good_happens(
    clock: StageClock, code: int, *, was_hung: bool, most: int
) -> None:
    crashes = Crashes(clock)
    ends = [crashes.add(exited(code), was_hung=was_hung) for _ in range(most + 1)]
    assert [end.seconds is None for end in ends] == [False] * most + [True]
    assert ends[-1].detail.endswith(f"; it ended so {most + 1} times in a row")
    crashes.clear()
    assert crashes.add(exited(code), was_hung=was_hung).seconds == 0.4


def test_what_is_killed_from_outside_is_tried_for_hours_after_pauses_that_grow(clock: StageClock) -> None:
    crashes = Crashes(clock)
    pauses = [crashes.add(exited(-9), was_hung=False).seconds or 0.0 for _ in range(KILLS)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == RESPAWN.maximum
    assert 2 * 3600 < sum(pauses) < 4 * 3600


def test_what_ends_by_itself_is_tried_for_some_minutes(clock: StageClock) -> None:
    crashes = Crashes(clock)
    pauses = [crashes.add(exited(1), was_hung=False).seconds or 0.0 for _ in range(ENDS)]
    assert 120 < sum(pauses) < 300


def test_crashes_before_a_long_life_do_not_count(clock: StageClock) -> None:
    crashes = Crashes(clock)
    for _ in range(ENDS):
        crashes.add(exited(1), was_hung=False)
    crashes.started()
    clock.advance(CALM_SECONDS)
    assert crashes.add(exited(1), was_hung=False).seconds == 0.4


def test_a_silence_is_no_long_life(clock: StageClock) -> None:
    crashes = Crashes(clock)
    for _ in range(HANGS):
        crashes.started()
        clock.advance(CALM_SECONDS)
        assert crashes.add(exited(-9), was_hung=True).seconds is not None
    assert crashes.add(exited(-9), was_hung=True).seconds is None


def test_an_end_in_words() -> None:
    assert (describe_exit(3), describe_exit(-15)) == ("exit code 3", "signal 15")
