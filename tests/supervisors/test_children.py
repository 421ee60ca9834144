"""Tests of dynamic children: started on demand or on command, too late, or significant for their supervisor."""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any

import pytest

from supervisors import (
    AutoShutdown,
    ChildSpec,
    ChildStatus,
    CountChildren,
    DeleteChild,
    NameTaken,
    NoSuchChild,
    NotRunning,
    Restart,
    RestartChild,
    StartChild,
    StartFailed,
    StartTimeout,
    StopChild,
    SupervisionError,
)
from supervisors.drill import crash
from tests.supervisors.helpers import AT_ONCE, DEADLINE, Gate, Worker, World, until

pytestmark = pytest.mark.expected_errors("child_exited", "message_dead")


def test_dynamic_children_come_and_go(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start()
    spec = world.worker("a")

    world.tell("root", StartChild(spec))
    world.wait_started("a", 1)
    with caplog.at_level(logging.INFO):
        world.tell("root", StartChild(spec))  # ignored: it runs
        assert len(world.status()) == 1
    assert caplog.records == []  # and that is no fault
    with pytest.raises(NameTaken):
        world.ask("root", StartChild(spec))
    assert world.status() == {"a": ChildStatus.RUNNING}

    world.ask("root", StopChild("a"))
    assert world.status() == {"a": ChildStatus.STOPPED}
    world.ask("root", StopChild("a"))  # stopped is stopped
    world.ask("root", RestartChild("a"))
    world.ask("root", RestartChild("a"))
    assert world.ask("a", lambda actor: actor.context.incarnation) == 3

    world.ask("root", StopChild("a"))
    world.ask("root", StartChild(spec))
    world.ask("root", DeleteChild("a"))
    assert world.status() == {}
    assert world.exits[-1].normal


def test_commands_that_make_no_sense(world: World) -> None:
    world.start(world.boss("other", world.worker("taken")))
    for command in (StopChild("x"), RestartChild("x"), DeleteChild("x")):
        world.tell("root", command)  # logged, and survived
        with pytest.raises(NoSuchChild):
            world.ask("root", command)
    with pytest.raises(SupervisionError, match="does not understand"):
        world.ask("root", "nonsense")
    with pytest.raises(StartFailed) as caught:
        world.ask("root", StartChild(world.worker("taken")))
    assert isinstance(caught.value.__cause__, NameTaken)
    significant = StartChild(world.worker("s", restart=Restart.TEMPORARY, significant=True))
    world.tell("root", significant)
    with pytest.raises(ValueError, match="significant"):
        world.ask("root", significant)
    assert world.ask("taken", "unharmed") == "unharmed"
    assert world.exits == []


def test_a_dynamic_child_whose_start_fails_is_forgotten(world: World) -> None:
    class Broken(Worker):
        def on_start(self) -> None:
            raise ValueError("broken")

    world.start()
    world.tell("root", StartChild(ChildSpec("a", Broken)))
    world.wait_exit("a", 1)
    assert world.status() == {}
    with pytest.raises(NotRunning):
        world.ask("a", "anyone?")


def test_a_restart_on_demand_that_fails_is_taken_again(world: World) -> None:
    class Shaky(Worker):
        def on_start(self) -> None:
            if self.context.incarnation == 2:
                raise ValueError("not this time")

    world.start(ChildSpec("a", Shaky, backoff=AT_ONCE))
    with pytest.raises(StartFailed):
        world.ask("root", RestartChild("a"))
    assert world.ask("a", lambda actor: actor.context.incarnation) == 3


@pytest.mark.parametrize(
    ("mode", "ends_after"), [(AutoShutdown.ANY_SIGNIFICANT, 1), (AutoShutdown.ALL_SIGNIFICANT, 2)]
)
def test_the_end_of_significant_children_ends_their_supervisor(
    world: World, mode: AutoShutdown, ends_after: int
) -> None:
    significant = [world.worker(name, restart=Restart.TRANSIENT, significant=True) for name in "ab"]
    world.start(*significant, world.worker("c", restart=Restart.TEMPORARY), auto_shutdown=mode)
    world.tell("c", lambda actor: actor.stop())
    world.wait_exit("c", 1)
    for name in "ab"[:ends_after]:
        assert world.ask("root", CountChildren()).active >= 1
        world.tell(name, lambda actor: actor.stop())
        world.wait_exit(name, 1)
    report = world.system.wait(DEADLINE)
    assert report is not None
    assert report.normal


def test_a_significant_child_stopped_on_purpose_ends_nothing(world: World) -> None:
    significant = world.worker("a", restart=Restart.TRANSIENT, significant=True)
    world.start(significant, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    world.ask("root", StopChild("a"))
    assert world.status() == {"a": ChildStatus.STOPPED}


def test_a_start_that_takes_too_long_has_failed(world: World) -> None:
    # Given a child whose first restart hangs in on_start
    gate = Gate()

    class Slow(Worker):
        def on_start(self) -> None:
            if self.context.incarnation == 2:
                gate()
            super().on_start()

    start = functools.partial(Slow, probe=world.probe)
    world.start(ChildSpec("a", start, start_timeout=0.5, backoff=AT_ONCE))
    world.tell("a", "first")
    world.probe.wait_count(1, "first")
    crash(world.system, "a", ValueError("drill"))
    gate.wait_entered()
    world.tell("a", "second")

    # When its time is over, then the start has failed and the next one works
    report = world.wait_exit("a", 2)
    assert isinstance(report.reason, StartTimeout)
    assert (report.started, report.abandoned) == (False, True)
    world.wait_started("a", 3)
    world.probe.wait_count(1, "second")

    # And the late thread takes nothing, and closes what it owns
    gate.open()
    world.probe.wait_for(lambda notes: any(note[:3] == ("exit", "a", 2) for note in notes))
    for number in range(50):
        assert world.ask("a", lambda actor: actor.context.incarnation) == 3, number


def test_one_that_hangs_in_its_making_is_never_started(world: World) -> None:
    gate = Gate()

    class Slow(Worker):
        def __init__(self, context: Any, **others: Any) -> None:
            super().__init__(context, **others)
            gate()

    world.start()
    slow = functools.partial(Slow, probe=world.probe)
    with pytest.raises(StartFailed) as caught:
        world.ask("root", StartChild(ChildSpec("a", slow, start_timeout=0.05)))
    assert isinstance(caught.value.__cause__, StartTimeout)
    gate.open()
    world.probe.wait_for(lambda notes: any(note[:3] == ("exit", "a", 1) for note in notes))
    assert world.started() == []


def test_a_stop_interrupts_the_wait_for_a_slow_start(world: World) -> None:
    gate = Gate()

    class Slow(Worker):
        def on_start(self) -> None:
            gate()

    world.start()
    world.tell("root", StartChild(ChildSpec("a", Slow, start_timeout=3600)))
    gate.wait_entered()
    stopped: list[list[str]] = []
    stopper = threading.Thread(target=lambda: stopped.append(world.system.stop(timeout=DEADLINE)))
    stopper.start()
    until(lambda: _stop_seen(world))
    gate.open()
    stopper.join(DEADLINE)
    assert stopped == [[]]
    assert world.exit_of("a", 1).normal


def _stop_seen(world: World) -> bool:
    life = world.system.find_life("a")
    return life is None or life.reader.signal is not None


def test_names_are_unique() -> None:
    world = World()
    with pytest.raises(StartFailed) as caught:
        world.start(world.worker("a"), world.worker("a"))
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(StartFailed):
        World().start(world.worker("a", restart=Restart.TEMPORARY, significant=True))
