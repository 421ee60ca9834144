"""The descriptors of this process, and the places for sessions that they leave."""

import resource

import pytest

from actors.lib import descriptors
from actors.lib.descriptors import EACH, RESERVE, Places


def places_for(monkeypatch: pytest.MonkeyPatch, limit: int, others: int) -> int:
    """Return how many sessions have places under this limit, beside so many descriptors of others."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    places = Places()
    places._others = others
    for number in range(10_000):
        try:
            places.take()
        except OSError as error:
            assert f"too many sessions for {limit} file descriptors ({number} run" in str(error)  # noqa: PT017
            return number
    raise AssertionError("there is no end")


def test_sessions_leave_a_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    assert places_for(monkeypatch, limit=1024, others=40) == (1024 - 40 - RESERVE) // EACH


def test_where_there_are_few_the_reserve_is_half_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert places_for(monkeypatch, limit=64, others=40) == 12 // EACH
    assert places_for(monkeypatch, limit=40, others=40) == 0


def test_a_place_that_is_given_back_is_for_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    places = Places()
    places._others = 100 - 2 * EACH
    places.take()
    with pytest.raises(OSError, match="too many sessions"):
        places.take()
    places.give_back()
    places.take()


def test_a_shortage_is_logged_once_however_often_and_by_however_many_it_is_met(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    places = Places()
    places._others = 100 - 2 * EACH
    for nth in (1, 2):
        places.take()
        for _ in range(50):
            with pytest.raises(OSError, match="too many sessions"):
                places.take()
        assert caplog.text.count("sessions_wait_for_descriptors") == nth
        places.give_back()


def test_the_limit_is_raised_as_far_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    descriptors.raise_limit()
    assert raised == [(4096, 4096)]
