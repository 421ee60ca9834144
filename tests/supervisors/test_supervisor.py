"""Tests of OTP's rules: strategies, restart types, intensity, dynamic children, escalation."""

from __future__ import annotations

import functools
import threading
from typing import Any

import pytest

from supervisors import (
    Backoff,
    ChildCount,
    ChildInfo,
    ChildSpec,
    ChildStatus,
    CountChildren,
    DeleteChild,
    Intensity,
    NotRunning,
    Restart,
    RestartChild,
    RestartIntensityExceeded,
    StartChild,
    StartFailed,
    StopChild,
    Strategy,
    WhichChildren,
)
from supervisors.children import RestartDue
from supervisors.drill import crash
from tests.supervisors.helpers import AT_ONCE, DEADLINE, ORDERED, Gate, Worker, World, until

pytestmark = pytest.mark.expected_errors("child_exited", "message_dead")

NAMES = "abcd"
SLOW = Backoff(initial=3600, maximum=3600)


@pytest.mark.parametrize(
    ("strategy", "stopped", "restarted"),
    [
        (Strategy.ONE_FOR_ONE, "b", "b"),
        (Strategy.REST_FOR_ONE, "bdc", "bcd"),
        (Strategy.ONE_FOR_ALL, "bdca", "abcd"),
    ],
)
def test_who_is_restarted_together_and_in_which_order(
    world: World, strategy: Strategy, stopped: str, restarted: str
) -> None:
    world.start(*[world.worker(name) for name in NAMES], strategy=strategy)
    crash(world.system, "b", ValueError("drill"))
    world.probe.wait_for(lambda notes: sum(note[0] == "start" for note in notes) == 4 + len(restarted))
    assert [name for name, _ in world.started()[4:]] == list(restarted)
    assert world.ended() == list(stopped)
    assert set(world.status().values()) == {ChildStatus.RUNNING}


@pytest.mark.parametrize("normal", [True, False])
@pytest.mark.parametrize("restart", list(Restart))
def test_when_a_child_is_restarted(world: World, restart: Restart, normal: bool) -> None:  # noqa: FBT001
    world.start(world.worker("a", restart=restart))
    if normal:
        world.tell("a", lambda actor: actor.stop())
    else:
        crash(world.system, "a", ValueError("drill"))
    world.wait_exit("a", 1)
    if restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and not normal):
        world.wait_started("a", 2)
    else:
        until(lambda: world.status().get("a") is not ChildStatus.RUNNING)
        expected = {} if restart is Restart.TEMPORARY else {"a": ChildStatus.STOPPED}
        assert world.status() == expected
        with pytest.raises(NotRunning):
            world.ask("a", "anyone?")


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_temporary_siblings_are_not_brought_back(world: World, strategy: Strategy) -> None:
    world.start(
        world.worker("a"), world.worker("t", restart=Restart.TEMPORARY), world.worker("c"), strategy=strategy
    )
    crash(world.system, "a", ValueError("drill"))
    world.wait_started("c", 2)
    assert list(world.status()) == ["a", "c"]


def test_siblings_stopped_on_purpose_stay_stopped(world: World) -> None:
    world.start(world.worker("a"), world.worker("b"), world.worker("c"), strategy=Strategy.ONE_FOR_ALL)
    world.ask("root", StopChild("b"))
    crash(world.system, "a", ValueError("drill"))
    world.wait_started("c", 2)
    assert world.status()["b"] is ChildStatus.STOPPED


def test_children_start_in_order_and_stop_in_reverse(world: World) -> None:
    world.start(*[world.worker(name) for name in NAMES])
    assert world.system.stop() == []
    assert [name for name, _ in world.started()] == list("abcd")
    assert world.ended() == list("dcba")
    assert [report.name for report in world.exits] == [*"dcba", "root"]
    assert all(report.normal for report in world.exits)


def test_children_without_an_order_stop_all_at_once(world: World) -> None:
    together = threading.Barrier(5, timeout=DEADLINE)

    class Last(Worker):
        def on_exit(self, _reason: BaseException | None) -> None:
            together.wait()  # breaks, and this exit isn't normal, unless all come here

    world.start(strategy=Strategy.SIMPLE_ONE_FOR_ONE)
    for name in "abcde":
        world.ask("root", StartChild(ChildSpec(name, Last)))
    assert world.system.stop(DEADLINE * 2) == []
    assert sorted(report.name for report in world.exits) == [*"abcde", "root"]
    assert world.exits[-1].name == "root"
    assert all(report.normal for report in world.exits)


def test_of_children_without_an_order_those_that_hang_take_no_time_from_the_others(world: World) -> None:
    # Given many that hang, and one that needs a while
    gate, hanging = Gate(), [f"h{number}" for number in range(20)]
    world.start(strategy=Strategy.SIMPLE_ONE_FOR_ONE)
    for name in (*hanging, "slow"):
        world.ask("root", StartChild(world.worker(name, shutdown=1.0)))
        world.tell(name, gate if name != "slow" else lambda actor: actor.wait_for_stop(DEADLINE))
    for _ in hanging:
        gate.wait_entered()
    # When all are stopped within a time that isn't enough for one after the other
    abandoned = world.system.stop(timeout=2.0)
    # Then only those that hang are given up
    assert sorted(abandoned) == sorted(hanging)
    assert world.exit_of("slow", 1).normal
    assert world.exit_of("root", 1).normal
    gate.open()


def test_children_without_an_order_are_all_started_on_demand(world: World) -> None:
    with pytest.raises(StartFailed) as caught:
        world.start(world.worker("a"), strategy=Strategy.SIMPLE_ONE_FOR_ONE)
    assert "on demand" in str(caught.value.__cause__)


def test_more_restarts_than_allowed_escalate(world: World) -> None:
    world.start(world.worker("a"), world.worker("b"), world.worker("c"), intensity=Intensity(2, 3600))
    # Given as many restarts as are allowed
    for incarnation in (1, 2):
        crash(world.system, "b", ValueError(incarnation))
        world.wait_started("b", incarnation + 1)
    # When there is one more
    crash(world.system, "b", ValueError("last"))
    # Then all children stop in reverse order, and the supervisor dies
    report = world.system.wait(DEADLINE)
    assert report is not None
    reason = report.reason
    assert isinstance(reason, RestartIntensityExceeded)
    assert (reason.name, reason.child, reason.restarts, reason.period) == ("root", "b", 2, 3600)
    assert world.ended()[-2:] == ["c", "a"]
    with pytest.raises(NotRunning):
        world.ask("a", "anyone?")


def test_a_parent_restarts_a_supervisor_that_gave_up(world: World) -> None:
    inner = world.boss("inner", world.worker("a"), world.worker("b"), intensity=Intensity(0, 3600))
    world.start(world.worker("before"), inner, world.worker("after"))
    world.tell("b", "waits for nobody")
    crash(world.system, "a", ValueError("drill"))
    world.wait_started("b", 2)
    assert isinstance(world.wait_exit("inner", 1).reason, RestartIntensityExceeded)
    assert world.ask("a", "fine") == "fine"
    assert [report.name for report in world.exits] == ["a", "b", "inner"]
    assert world.ask("root", CountChildren()) == ChildCount(specs=3, active=3, supervisors=1, workers=2)


def test_escalation_goes_all_the_way_up(world: World) -> None:
    none = Intensity(0, 3600)
    leaf = world.boss("leaf", world.worker("a"), intensity=none)
    world.start(world.boss("middle", leaf, intensity=none), intensity=none)
    crash(world.system, "a", ValueError("drill"))
    report = world.system.wait(DEADLINE)
    assert report is not None
    assert isinstance(report.reason, RestartIntensityExceeded)
    assert [report.name for report in world.exits] == ["a", "leaf", "middle", "root"]


def test_a_crashing_supervisor_stops_its_children_first(world: World) -> None:
    world.start(world.boss("inner", world.worker("a"), world.worker("b")))
    crash(world.system, "inner", SystemExit("drill"))
    world.wait_started("b", 2)
    assert [report.name for report in world.exits] == ["b", "a", "inner"]


def test_failed_start_attempts_count_towards_the_intensity(world: World) -> None:
    class Broken(Worker):
        def on_start(self) -> None:
            if self.context.incarnation > 1:
                raise ValueError("never again")

    spec = ChildSpec("a", Broken, backoff=AT_ONCE)
    world.start(spec, intensity=Intensity(3, 3600))
    crash(world.system, "a", ValueError("drill"))
    report = world.system.wait(DEADLINE)
    assert report is not None
    assert isinstance(report.reason, RestartIntensityExceeded)
    # One incarnation that lived, and three attempts
    assert [(report.name, report.started) for report in world.exits[:-1]] == [("a", True)] + [
        ("a", False)
    ] * 3


@pytest.mark.parametrize("strategy", ORDERED)
def test_a_failing_start_in_a_group_is_taken_again(world: World, strategy: Strategy) -> None:
    class Shaky(Worker):
        def on_start(self) -> None:
            if self.context.incarnation == 2:
                raise ValueError("not this time")
            super().on_start()

    shaky = ChildSpec("b", functools.partial(Shaky, probe=world.probe), backoff=AT_ONCE)
    world.start(world.worker("a"), shaky, world.worker("c"), strategy=strategy, intensity=Intensity(10))
    crash(world.system, "b", ValueError("drill"))
    world.wait_started("b", 3)
    until(lambda: set(world.status().values()) == {ChildStatus.RUNNING})
    again = {Strategy.ONE_FOR_ONE: "b", Strategy.REST_FOR_ONE: "bc", Strategy.ONE_FOR_ALL: "aabc"}[strategy]
    until(lambda: "".join(name for name, _ in world.started()[3:]) == again)


def test_a_boot_that_fails_stops_what_was_started(world: World) -> None:
    class Broken(Worker):
        def on_start(self) -> None:
            raise ValueError("broken")

    with pytest.raises(StartFailed) as caught:
        world.start(world.worker("a"), world.worker("b"), ChildSpec("c", Broken), world.worker("d"))
    cause = caught.value.__cause__
    assert isinstance(cause, StartFailed)
    assert (caught.value.name, cause.name) == ("root", "c")
    assert isinstance(cause.__cause__, ValueError)
    assert [name for name, _ in world.started()] == ["a", "b"]
    assert world.ended() == ["b", "a"]


def test_a_supervisor_answers_while_a_child_backs_off(world: World) -> None:
    world.start(world.worker("a", backoff=SLOW), world.worker("b"))
    crash(world.system, "a", ValueError("drill"))
    world.wait_exit("a", 1)
    until(lambda: world.status()["a"] is ChildStatus.BACKING_OFF)
    (a, b) = world.ask("root", WhichChildren())
    assert a == ChildInfo(
        name="a",
        status=ChildStatus.BACKING_OFF,
        incarnation=1,
        waiting=0,
        restarts=0,
        last_reason="ValueError('drill')",
        restart=Restart.PERMANENT,
        supervisor=False,
    )
    assert b.last_reason is None
    assert world.ask("root", CountChildren()) == ChildCount(specs=2, active=1, supervisors=0, workers=1)
    # And the restart can be had at once, or given up
    world.ask("root", RestartChild("a"))
    assert world.ask("a", "fine") == "fine"


def test_a_restart_that_waits_is_given_up_by_a_stop(world: World) -> None:
    world.start(world.worker("a", backoff=SLOW))
    crash(world.system, "a", ValueError("drill"))
    until(lambda: world.status()["a"] is ChildStatus.BACKING_OFF)
    world.ask("root", StopChild("a"))
    assert world.status()["a"] is ChildStatus.STOPPED
    assert world.system.timers._heap[0][2].call is None


def test_a_restart_that_is_outdated_changes_nothing(world: World) -> None:
    # Given a notice of a restart that was given up when the notice was already on its way
    world.start(world.worker("a", backoff=SLOW))
    crash(world.system, "a", ValueError("drill"))
    until(lambda: world.status()["a"] is ChildStatus.BACKING_OFF)
    child = _supervisor_of(world)._children["a"]
    outdated = RestartDue(child, child.ticket)
    world.ask("root", StopChild("a"))
    child.pending = True  # as it would be for the restart after that
    # When it arrives
    world.ask("root", outdated)
    # Then it is ignored
    assert world.started() == [("a", 1)]


@pytest.mark.parametrize("command", [StopChild, DeleteChild, RestartChild])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_who_waits_for_a_restart_is_not_forgotten_with_the_one_that_caused_it(
    world: World, strategy: Strategy, command: type[StopChild | DeleteChild | RestartChild]
) -> None:
    # Given one that backs off, and others that are to be restarted with it
    slow = world.worker("b", backoff=SLOW)
    world.start(world.worker("a"), slow, world.worker("c"), world.worker("d"), strategy=strategy)
    crash(world.system, "b", ValueError("drill"))
    until(lambda: world.status()["d"] is ChildStatus.BACKING_OFF)
    children = _supervisor_of(world)._children
    due = children["b"].timer.due
    # When a person sees to that one
    world.ask("root", command("b"))
    # Then the others are due when they were before
    (heir,) = [child for child in children.values() if child.timer is not None]
    assert heir.timer.due == pytest.approx(due, abs=1.0)
    # And come back then
    world.ask("root", RestartDue(heir, heir.ticket))
    assert set(world.status().values()) <= {ChildStatus.RUNNING, ChildStatus.STOPPED}
    restarted = "acd" if strategy is Strategy.ONE_FOR_ALL else "cd"
    assert [name for name, number in world.started()[4:] if name != "b"] == list(restarted)
    assert [name for name, number in world.started()[4:] if name == "b"] == ["b"] * (command is RestartChild)


def test_a_temporary_child_whose_restart_fails_takes_nobody_with_it(world: World) -> None:
    class Broken(Worker):
        def on_start(self) -> None:
            if self.context.incarnation > 1:
                raise ValueError("never again")

    broken = ChildSpec("t", Broken, restart=Restart.TEMPORARY)
    world.start(world.worker("a"), broken, strategy=Strategy.ONE_FOR_ALL, intensity=Intensity(0))
    with pytest.raises(StartFailed):
        world.ask("root", RestartChild("t"))
    assert world.status() == {"a": ChildStatus.RUNNING}
    assert world.started() == [("a", 1)]


def test_an_earlier_sibling_takes_over_the_restart_of_the_rest(world: World) -> None:
    # Given one that backs off for long, and takes the next one with it
    slow = world.worker("b", backoff=SLOW)
    world.start(world.worker("a"), slow, world.worker("c"), strategy=Strategy.REST_FOR_ONE)
    crash(world.system, "b", ValueError("drill"))
    until(lambda: world.status()["c"] is ChildStatus.BACKING_OFF)
    # When one that was started before it dies
    crash(world.system, "a", ValueError("drill"))
    # Then they are all restarted with that one, in order
    world.wait_started("c", 2)
    assert world.started()[3:] == [("a", 2), ("b", 2), ("c", 2)]


def test_the_backoff_starts_anew_after_a_long_life(world: World) -> None:
    world.start(world.worker("a"), intensity=Intensity(restarts=5, period=60))
    actor = _supervisor_of(world)
    for incarnation, seconds, attempts in ((1, 0, 1), (2, 59, 2), (3, 60, 1)):
        world.clock.now += seconds  # its life
        crash(world.system, "a", ValueError("drill"))
        world.wait_started("a", incarnation + 1)
        assert actor._children["a"].attempts == attempts


def _supervisor_of(world: World) -> Any:
    life = world.system._root
    assert life is not None
    return life.actor
