"""Tests of a system's start and stop, and of asks within it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from supervisors import (
    Abandoned,
    ChildSpec,
    CountChildren,
    NotRunning,
    StartChild,
    StartFailed,
    SupervisionError,
    System,
    WhichChildren,
    WouldDeadlock,
)
from supervisors.drill import crash
from tests.supervisors.helpers import DEADLINE, Gate, Worker, World


def test_stop_is_idempotent_and_wait_tells_how_it_ended(world: World) -> None:
    assert world.system.wait(0) is None
    world.start(world.worker("a"))
    assert world.system.wait(0.01) is None
    assert world.system.stop() == []
    assert world.system.stop() == []
    report = world.system.wait(DEADLINE)
    assert report is not None
    assert report.normal
    assert not world.system.handle("a").alive


def test_a_system_that_never_started_can_be_stopped() -> None:
    system = System()
    assert system.stop() == []
    with pytest.raises(SupervisionError, match="once"):
        system.start(ChildSpec("a", Worker))
    with pytest.raises(NotRunning):
        system.handle("a").ask("anyone?", timeout=DEADLINE)


def test_a_system_is_started_once(world: World) -> None:
    world.start()
    with pytest.raises(SupervisionError, match="once"):
        world.start()


def test_after_the_stop_asks_are_refused_and_tells_do_not_raise(world: World) -> None:
    world.start(world.worker("a"))
    world.system.stop()
    world.tell("a", "told")
    for name in ("a", "never seen"):
        with pytest.raises(NotRunning):
            world.ask(name, "anyone?")
    with pytest.raises(NotRunning):
        crash(world.system, "a", ValueError())


def test_stop_is_refused_to_an_actor(world: World) -> None:
    world.start(world.worker("a"))
    with pytest.raises(SupervisionError, match="own actors"):
        world.ask("a", lambda _: world.system.stop())


def test_an_actor_never_waits_for_itself_or_for_its_supervisors(world: World) -> None:
    world.start(world.boss("inner", world.worker("a")), world.worker("b"))
    for name in ("a", "inner", "root"):
        with pytest.raises(WouldDeadlock):
            world.ask("a", lambda _, name=name: world.ask(name, WhichChildren()))
    # Downwards and sideways it may
    children = world.ask("b", lambda _: world.ask("inner", WhichChildren()))
    assert [child.name for child in children] == ["a"]


@pytest.mark.expected_errors("child_exited")
def test_what_hangs_is_abandoned_within_one_deadline_and_the_rest_stops_well(world: World) -> None:
    # Given children of which two hang, also in a supervisor below
    gate = Gate()
    world.start(
        world.worker("first"),
        world.boss("inner", world.worker("stuck-deep")),
        world.worker("stuck"),
        world.worker("last"),
    )
    for name in ("stuck", "stuck-deep"):
        world.tell(name, gate)
        gate.wait_entered()

    # When all is stopped in less time than the specs would allow
    began = time.monotonic()
    abandoned = world.system.stop(timeout=2.0)

    # Then those that hang are reported, all others end well, and nobody waited for longer
    assert time.monotonic() - began < 5.0  # the time of one spec alone
    assert sorted(abandoned) == ["stuck", "stuck-deep"]
    assert [report.name for report in world.exits if report.normal] == [
        "last",
        "inner",
        "first",
        "root",
    ]
    assert isinstance(world.exit_of("stuck", 1).reason, Abandoned)
    gate.open()


@pytest.mark.expected_errors("child_exited")
def test_a_supervisor_that_hangs_is_abandoned_with_all_below_it(world: World) -> None:
    gate = Gate()
    world.start(world.boss("inner", world.worker("a")))
    inner: Any = world.system._lives["inner"].actor
    inner._count = gate

    world.tell("inner", CountChildren())
    gate.wait_entered()
    assert "inner" in world.system.stop(timeout=1.0)
    assert {report.name for report in world.exits if report.abandoned} == {"inner", "a"}
    assert len(world.exits) == 3
    gate.open()


@pytest.mark.expected_errors("child_exited")
def test_a_root_that_hangs_is_abandoned(world: World) -> None:
    gate = Gate()
    world.system.start(world.worker("root"))
    world.tell("root", gate)
    gate.wait_entered()
    assert world.system.stop(timeout=0.05) == ["root"]
    report = world.system.wait(DEADLINE)
    assert report is not None
    assert isinstance(report.reason, Abandoned)
    gate.open()


@pytest.mark.expected_errors("child_exited")
def test_a_root_that_is_not_ready_in_time(world: World) -> None:
    gate = Gate()

    class Slow(Worker):
        def on_start(self) -> None:
            gate()

    with pytest.raises(StartFailed):
        world.system.start(ChildSpec("root", Slow, start_timeout=0.05))
    gate.open()


@pytest.mark.expected_errors("child_exited")
def test_no_thread_to_be_had_is_a_failed_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start()
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("actor:a"):
            raise RuntimeError("can't start new thread")
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(StartFailed):
        world.ask("root", StartChild(world.worker("a")))


def test_a_forgotten_system_does_not_keep_the_interpreter() -> None:
    program = (
        "from supervisors import Actor, ChildSpec, System\n"
        "system = System(); system.start(ChildSpec('a', Actor)); print(system.handle('a').alive)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE * 3, check=True
    )
    assert done.stdout == "True\n"


def test_hundreds_of_children(world: World) -> None:
    world.start(*[world.worker(f"w{number}") for number in range(300)])
    assert world.ask("w299", "fine") == "fine"
    assert world.system.stop(timeout=DEADLINE * 3) == []
    assert len(world.exits) == 301
