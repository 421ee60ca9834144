"""Tests of the restart rules without threads: examples, and properties against a small model of OTP's rules."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import Backoff, ChildSpec, Intensity, Restart, Strategy
from supervisors.restarts import (
    OWN_SHARE,
    affected,
    allowance,
    is_restarted,
    time_to_stop,
)
from tests.supervisors.helpers import Worker

seconds = st.floats(0, 100)


@given(st.sampled_from(Restart), st.booleans())
def test_who_is_restarted_as_in_otp(restart: Restart, normal: bool) -> None:  # noqa: FBT001  # drawn
    otp = {
        (Restart.PERMANENT, True): True,
        (Restart.PERMANENT, False): True,
        (Restart.TRANSIENT, True): False,
        (Restart.TRANSIENT, False): True,
        (Restart.TEMPORARY, True): False,
        (Restart.TEMPORARY, False): False,
    }
    assert is_restarted(restart, normal=normal) == otp[restart, normal]


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.data())
def test_the_group_is_as_in_otp(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    before, after = names[: names.index(name)], names[names.index(name) + 1 :]
    assert affected(Strategy.ONE_FOR_ONE, names, name) == [name]
    assert affected(Strategy.SIMPLE_ONE_FOR_ONE, names, name) == [name]
    assert affected(Strategy.REST_FOR_ONE, names, name) == [name, *after]
    assert affected(Strategy.ONE_FOR_ALL, names, name) == [*before, name, *after]


@given(seconds, st.floats(100, 1000), st.floats(1, 10), st.integers(0, 5000), st.floats(0, 1))
def test_a_delay_is_between_nothing_and_its_limit(
    initial: float, maximum: float, factor: float, attempt: int, jitter: float
) -> None:
    backoff = Backoff(initial, maximum, factor)
    assert 0 <= backoff.delay(attempt, jitter) <= maximum
    assert backoff.delay(0, jitter) == jitter * initial
    assert backoff.delay(attempt, 1) <= backoff.delay(attempt + 1, 1)


def test_the_limit_doubles_up_to_the_maximum() -> None:
    backoff = Backoff(initial=1, maximum=10, factor=2)
    assert [backoff.delay(attempt, 1.0) for attempt in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_floor_is_waited_in_any_case() -> None:
    backoff = Backoff(initial=1, maximum=10, floor=0.5)
    assert [backoff.bounds(attempt) for attempt in (0, 1, 9)] == [(0.5, 1), (1, 2), (5, 10)]
    assert [backoff.delay(1, jitter) for jitter in (0.0, 0.5, 1.0)] == [1, 1.5, 2]


@given(st.lists(st.one_of(st.none(), seconds), min_size=1), seconds)
def test_allowances_never_exceed_the_time_that_is_left(shutdowns: list[float | None], total: float) -> None:
    """Assume that every child uses up its whole allowance."""
    remaining = total
    for position, shutdown in enumerate(shutdowns):
        got = allowance(shutdown, shutdowns[position + 1 :], remaining)
        assert got is not None
        assert shutdown is None or got <= shutdown + 1e-9
        remaining -= got
    assert remaining >= -1e-6 * max(1.0, total)


@given(st.lists(st.floats(0.1, 10), min_size=1))
def test_in_its_own_time_a_supervisor_can_give_each_child_all_that_it_may_take(
    shutdowns: list[float],
) -> None:
    own = time_to_stop(Strategy.ONE_FOR_ONE, shutdowns) * (1 - OWN_SHARE)
    for position, shutdown in enumerate(shutdowns):
        got = allowance(shutdown, shutdowns[position + 1 :], own)
        assert got == pytest.approx(shutdown)
        own -= shutdown
    assert time_to_stop(Strategy.SIMPLE_ONE_FOR_ONE, shutdowns) == max(shutdowns) / (1 - OWN_SHARE)
    assert time_to_stop(Strategy.SIMPLE_ONE_FOR_ONE, []) == 0


def test_one_that_hangs_does_not_eat_up_the_time_of_the_others() -> None:
    assert allowance(5.0, [5.0, 5.0], 30.0) == 5.0
    assert allowance(5.0, [5.0, 5.0], 3.0) == 1.0
    assert allowance(None, [5.0], 5.0) == 2.5
    assert allowance(5.0, [], -1.0) == 0.0
    assert allowance(5.0, [5.0], None) == 5.0
    assert allowance(None, [5.0], None) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", 7),
        ("start", "no callable"),
        ("restart", "permanent"),
        ("shutdown", -1),
        ("shutdown", math.inf),
        ("shutdown", True),
        ("start_timeout", 0),
        ("start_timeout", math.nan),
        ("backoff", 1.0),
        ("significant", True),
    ],
)
def test_a_child_spec_names_the_field_that_is_wrong(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: "):
        ChildSpec(**{"name": "a", "start": Worker, field: value})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("policy", "field", "value"),
    [
        (Intensity, "restarts", -1),
        (Intensity, "restarts", 1.5),
        (Intensity, "period", 0),
        (Backoff, "initial", -1),
        (Backoff, "maximum", 0.01),
        (Backoff, "factor", 0.5),
        (Backoff, "floor", -0.1),
        (Backoff, "floor", 1.1),
    ],
)
def test_a_policy_names_the_field_that_is_wrong(policy: type, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: "):
        policy(**{field: value})
