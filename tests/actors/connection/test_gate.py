"""When publications may go out, and when they are held back."""

import pytest

from actors.connection import retry
from actors.connection.gate import Gate


def test_open_it_lets_all_pass() -> None:
    gate = Gate()
    assert [gate.passes() for _ in range(3)] == [True] * 3
    assert not gate.open()


def test_shut_it_lets_one_try_after_each_pause() -> None:
    gate = Gate()
    # When the backend can't take one, nor those that were on their way with it
    assert gate.shut() is not None
    assert gate.shut() is None
    # Then nothing passes, and after the pause one
    assert (gate.pauses, gate.passes()) == (True, False)
    gate.admit_one()
    assert [gate.passes() for _ in range(3)] == [True, False, False]
    # And when that isn't taken either, there is a pause again
    assert gate.shut() is not None
    assert (gate.pauses, gate.passes()) == (True, False)


def test_it_is_open_again_as_soon_as_one_was_answered_for() -> None:
    gate = Gate()
    gate.shut()
    gate.admit_one()
    assert gate.open()
    assert [gate.passes() for _ in range(3)] == [True] * 3
    assert not gate.open()


def test_the_pauses_grow_and_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry.random, "uniform", lambda _, bound: bound)
    monkeypatch.setattr(retry, "FIRST", 1.0)
    gate = Gate()
    pauses = []
    for _ in range(7):
        pauses.append(gate.shut())
        gate.admit_one()
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    gate.open()
    assert gate.shut() == 1
