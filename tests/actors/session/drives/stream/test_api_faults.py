"""Tests of the API's failures: whether waiting helps, and for how long."""

import pytest

from actors.session.drive import ApiFailed, Limited, TurnOver
from actors.session.drives.stream.api_faults import (
    LONGEST_LIMIT,
    PERMANENT,
    PERMANENT_KINDS,
    TURN,
    ApiFaults,
)

NOW = 1_800_000_000.0


def faults() -> ApiFaults:
    """Return the faults of an API, with the longest waits."""
    return ApiFaults(lambda _low, high: high)


def failed(status: int | None) -> TurnOver:
    return TurnOver(by_api=True, status=status, error="?")


def test_the_waits_grow_until_a_turn_goes_well() -> None:
    api = faults()
    assert [api.failed(failed(500), NOW) for _ in range(3)] == [
        TURN.initial,
        2 * TURN.initial,
        4 * TURN.initial,
    ]
    api.clear()
    assert api.failed(failed(None), NOW) == TURN.initial


@pytest.mark.parametrize("status", sorted(PERMANENT))
def test_where_waiting_does_not_help(status: int) -> None:
    assert faults().failed(failed(status), NOW) is None


@pytest.mark.parametrize("kind", sorted(PERMANENT_KINDS))
def test_claude_may_refuse_by_itself_and_that_holds_for_this_turn_only(kind: str) -> None:
    api = faults()
    api.heard(ApiFailed(kind=kind))
    assert api.failed(failed(None), NOW) is None
    assert api.failed(failed(None), NOW) == TURN.initial
    api.heard(ApiFailed(kind=kind))
    api.clear()
    assert api.failed(failed(None), NOW) == TURN.initial


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "server_error", "unknown", "of the future"])
def test_other_troubles_may_pass(kind: str) -> None:
    api = faults()
    api.heard(ApiFailed(kind=kind))
    assert api.failed(failed(None), NOW) == TURN.initial


def test_an_accounts_limit_is_waited_for_to_its_end() -> None:
    api = faults()
    api.heard(Limited(until=NOW + 7200))
    assert api.failed(failed(429), NOW) == 7200 + TURN.initial
    assert api.failed(failed(500), NOW) == 2 * TURN.initial, "that is something else"
    assert api.failed(failed(429), NOW + 7201) == 4 * TURN.initial, "it is over"
    api.heard(Limited(until=None))
    assert api.failed(failed(429), NOW) == 8 * TURN.initial, "it was lifted"


@pytest.mark.parametrize("until", [1000 * NOW, NOW + LONGEST_LIMIT + 1, float("inf"), -1.0])
def test_a_limit_that_makes_no_sense_is_none(until: float) -> None:
    api = faults()
    api.heard(Limited(until=until))
    assert api.failed(failed(429), NOW) == TURN.initial
