"""Tests of timers: in order, exact, cancelled at the end of an incarnation, and cheap."""

from __future__ import annotations

import functools
import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from supervisors import Abandoned, RestartChild
from supervisors.timers import Timers
from tests.supervisors.helpers import DEADLINE, Gate, Probe, Worker, World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def timers() -> Iterator[Timers]:
    """Return timers whose thread ends with the test."""
    timers = Timers()
    yield timers
    timers.close()


def test_timers_fire_in_the_order_in_which_they_are_due(timers: Timers) -> None:
    probe = Probe()
    delays = [number / 200 for number in range(20)]
    made = {}
    for delay in random.sample(delays, len(delays)):
        made[delay] = timers.after(delay, functools.partial(probe.note, delay))
    assert probe.wait_count(len(delays)) == sorted(delays, key=lambda delay: made[delay].due)


def test_an_earlier_timer_overtakes_one_that_is_waited_for(timers: Timers) -> None:
    probe = Probe()
    late = timers.after(3600, lambda: probe.note("late"))
    timers.after(0.01, lambda: probe.note("early"))
    timers.after(-1, lambda: probe.note("at once"))
    assert probe.wait_count(2) == ["at once", "early"]
    late.cancel()


def test_a_timer_is_never_early(timers: Timers) -> None:
    fired = threading.Event()
    began = time.monotonic()
    timers.after(0.05, fired.set)
    assert fired.wait(DEADLINE)
    assert time.monotonic() - began >= 0.05


def test_thousands_of_cancelled_timers_are_cleaned_up(timers: Timers) -> None:
    kept = timers.after(3600, lambda: None)
    for timer in [timers.after(3600, lambda: None) for _ in range(5000)]:
        timer.cancel()
        timer.cancel()  # the second time does nothing
    assert len(timers._heap) < 200
    assert kept.call is not None
    timers.close()
    assert timers.after(0, lambda: None).call is None


def test_an_actor_tells_itself_something_later(world: World) -> None:
    world.start(world.worker("a"))
    world.tell("a", lambda actor: actor.tell_later(0.01, "later"))
    world.tell("a", lambda actor: actor.tell_later(0.02, "never").cancel())
    world.tell("a", lambda actor: actor.tell_later(0.03, "last"))
    notes = world.probe.wait_count(1, "last")
    assert "later" in notes
    assert "never" not in notes
    assert world.ask("a", lambda actor: len(actor.context.life.timers)) == 0


@pytest.mark.expected_errors("child_exited")
def test_one_who_was_abandoned_plans_nothing_any_more(world: World) -> None:
    gate = Gate()

    def plan_late(actor: Worker) -> None:
        if actor.context.incarnation == 1:
            gate()
            world.probe.note("planned", actor.tell_later(0, "late").call)

    world.start(world.worker("a", shutdown=0))
    world.tell("a", plan_late)
    gate.wait_entered()
    world.ask("root", RestartChild("a"))
    gate.open()
    world.probe.wait_count(1, ("planned", None))
    notes = world.probe.wait_for(lambda notes: any(note[:3] == ("exit", "a", 1) for note in notes))
    assert isinstance(notes[-1][3], Abandoned)


@pytest.mark.expected_errors("child_exited")
def test_timers_end_with_their_incarnation(world: World) -> None:
    world.start(world.worker("a"))

    def plan_and_die(actor: Worker) -> None:
        if actor.context.incarnation == 1:
            actor.tell_later(0.05, "of the dead")
            raise ValueError("dies")
        actor.tell_later(0.15, "of the living")

    world.tell("a", plan_and_die)
    notes = world.probe.wait_count(1, "of the living")
    assert "of the dead" not in notes
