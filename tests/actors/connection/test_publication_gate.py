"""Tests of the gate that holds publications back."""

from actors.connection.actor import BACKOFF
from actors.connection.publication_gate import PublicationGate
from actors.lib.backoff import Retries
from tests.actors.connection.peer import SOON

KEYS = ("k-1", "k-2", "k-3")


def test_open_it_lets_all_pass() -> None:
    gate = PublicationGate(Retries(SOON))
    assert [gate.passes(key) for key in KEYS] == [True] * 3
    assert not gate.open()


def test_shut_it_lets_one_try_after_each_pause() -> None:
    gate = PublicationGate(Retries(SOON))
    # When the backend can't take one, nor those that were on their way with it
    assert gate.shut("k-1") is not None
    assert gate.shut("k-2") is None
    # Then nothing passes, and after the pause one
    assert (gate.pauses, gate.passes("k-1")) == (True, False)
    gate.admit_one()
    assert [gate.passes(key) for key in KEYS] == [True, False, False]
    # And when that isn't taken either, there is a pause again
    assert gate.shut("k-1") is not None
    assert (gate.pauses, gate.passes("k-1")) == (True, False)


def test_a_late_refusal_of_another_one_ends_no_trial() -> None:
    gate = PublicationGate(Retries(SOON))
    gate.shut("k-1")
    gate.admit_one()
    assert gate.shut("k-2") is None
    assert gate.passes("k-1")
    assert gate.shut("k-3") is None
    assert not gate.pauses, "else the first one would go out again, beside itself"


def test_it_is_open_again_as_soon_as_one_was_answered_for() -> None:
    gate = PublicationGate(Retries(SOON))
    gate.shut("k-1")
    gate.admit_one()
    assert gate.open()
    assert [gate.passes(key) for key in KEYS] == [True] * 3
    assert not gate.open()


def test_the_pauses_grow_and_begin_anew() -> None:
    gate = PublicationGate(Retries(BACKOFF, jitter=lambda _, bound: bound))
    pauses = []
    for _ in range(7):
        pauses.append(gate.shut("k-1"))
        gate.admit_one()
        gate.passes("k-1")
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    gate.open()
    assert gate.shut("k-1") == 1
