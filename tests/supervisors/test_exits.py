"""Tests of ends: exactly one report and one `on_exit` for each incarnation, however it ends."""
# ruff: noqa: D102  # an actor's hooks are explained by their base class

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any

import pykka
import pytest

from supervisors import (
    Abandoned,
    Actor,
    ActorContext,
    ActorDied,
    ChildSpec,
    LifeStage,
    Restart,
    RestartChild,
    StartChild,
    StartFailed,
    StopChild,
)
from supervisors.drill import crash
from supervisors.life import Life
from tests.supervisors.helpers import DEADLINE, Gate, Probe, Worker, World, until

if TYPE_CHECKING:
    import logging

pytestmark = pytest.mark.expected_errors("child_exited", "message_dead", "exit_hook_failed")

KINDS = [
    ValueError,
    SystemExit,
    KeyboardInterrupt,
    asyncio.CancelledError,
    GeneratorExit,
    pytest.fail.Exception,
]
IN_LIFE = [LifeStage.RECEIVE, LifeStage.BATCH, LifeStage.EXIT]


class Fragile(Actor):
    """Fails at a given place, in its first incarnation only."""

    def __init__(
        self, context: ActorContext, *, stage: LifeStage, kind: type[BaseException], probe: Probe
    ) -> None:
        super().__init__(context)
        self.breaks = stage if context.incarnation == 1 else None
        self.kind = kind
        self.probe = probe
        self.at(LifeStage.INIT)

    def at(self, stage: LifeStage) -> None:
        if self.breaks is stage:
            raise self.kind("broken")

    def on_start(self) -> None:
        self.at(LifeStage.START)
        self.probe.note("start", self.context.incarnation)

    def on_receive(self, message: Any) -> Any:
        self.at(LifeStage.RECEIVE)
        if message == "stop":
            self.stop()
        return message

    def on_batch(self) -> None:
        self.at(LifeStage.BATCH)

    def on_exit(self, reason: BaseException | None) -> None:
        self.probe.note("exit", self.context.incarnation, reason)
        self.at(LifeStage.EXIT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", IN_LIFE)
def test_one_report_however_it_dies(
    world: World, stage: LifeStage, kind: type[BaseException], logged_errors: list[logging.LogRecord]
) -> None:
    world.start(ChildSpec("a", functools.partial(Fragile, stage=stage, kind=kind, probe=world.probe)))
    refs = len(pykka.ActorRegistry.get_all())

    world.tell("a", "stop" if stage is LifeStage.EXIT else "message")

    # Then there is one report with the reason and the stage, logged once, with its traceback
    report = world.wait_exit("a", 1)
    assert (report.stage, type(report.reason), report.started, report.abandoned) == (stage, kind, True, False)
    assert not report.normal
    assert [record.name for record in logged_errors] == ["supervisors.system"]
    assert logged_errors[0].exc_info is not None
    # And on_exit was called once, a successor lives, and pykka's registry knows only the living
    world.probe.wait_count(1, ("start", 2))
    assert sum(note[:2] == ("exit", 1) for note in world.probe.notes) == 1
    assert world.ask("a", "fine") == "fine"
    assert len(pykka.ActorRegistry.get_all()) == refs
    assert [report.incarnation for report in world.exits] == [1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", [LifeStage.INIT, LifeStage.START])
def test_one_report_for_a_start_that_fails(world: World, stage: LifeStage, kind: type[BaseException]) -> None:
    world.start()
    fragile = functools.partial(Fragile, stage=stage, kind=kind, probe=world.probe)

    with pytest.raises(StartFailed) as caught:
        world.ask("root", StartChild(ChildSpec("a", fragile)))

    assert isinstance(caught.value.__cause__, kind)
    (report,) = world.exits
    assert (report.name, report.stage, report.started) == ("a", stage, False)
    assert [ref.actor_class.__name__ for ref in pykka.ActorRegistry.get_all()] == ["Supervisor"]
    # What was never made has nothing to close
    assert len(world.probe.notes) == (0 if stage is LifeStage.INIT else 1)


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("stage", [LifeStage.RECEIVE, LifeStage.BATCH])
def test_an_asker_of_one_who_dies_gets_an_error(
    world: World, stage: LifeStage, kind: type[BaseException]
) -> None:
    world.start(ChildSpec("a", functools.partial(Fragile, stage=stage, kind=kind, probe=world.probe)))
    with pytest.raises(ActorDied) as caught:
        world.ask("a", "message")
    assert isinstance(caught.value.__cause__, kind)
    # And the message is not handed out again
    world.probe.wait_count(1, ("start", 2))
    assert world.system.handle("a").waiting == 0


def test_an_exception_goes_to_the_asker_and_the_actor_lives_on(world: World) -> None:
    world.start(world.worker("a"))
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        world.ask("a", error)
    assert caught.value is error
    assert world.ask("a", lambda actor: actor.context.incarnation) == 1
    assert world.exits == []


def test_an_orderly_end_has_no_reason(world: World) -> None:
    world.start(world.worker("a", restart=Restart.TRANSIENT))
    world.tell("a", lambda actor: actor.stop())
    report = world.wait_exit("a", 1)
    assert report.normal
    assert world.probe.notes[-1] == ("exit", "a", 1, None)


def test_an_actor_may_end_itself_of_a_reason(world: World) -> None:
    reason = ValueError("enough")
    world.start(world.worker("a", restart=Restart.TRANSIENT))
    world.tell("a", lambda actor: actor.stop(reason))
    assert world.wait_exit("a", 1).reason is reason
    world.wait_started("a", 2)
    assert world.dead == []


def test_a_failing_on_exit_does_not_hide_what_the_actor_died_of(
    world: World, logged_errors: list[logging.LogRecord]
) -> None:
    class Doubly(Worker):
        def on_exit(self, reason: BaseException | None) -> None:
            raise RuntimeError("in on_exit") from reason

    world.start(ChildSpec("a", Doubly, restart=Restart.TEMPORARY))
    world.tell("a", ValueError("first"))
    report = world.wait_exit("a", 1)
    assert isinstance(report.reason, ValueError)
    assert {record.event for record in logged_errors if hasattr(record, "event")} == {
        "exit_hook_failed",
        "child_exited",
    }


@pytest.mark.expected_errors("callback_failed")
def test_callbacks_that_fail_disturb_nobody(world: World) -> None:
    def fail(_fact: object) -> None:
        raise SystemExit

    world.system._on_exit = world.system._on_dead_letter = fail
    world.start(world.worker("a"))
    world.tell("a", ValueError("poison"))
    world.wait_started("a", 3)
    assert world.ask("a", "fine") == "fine"


def test_a_message_whose_repr_fails_can_still_be_buried(world: World) -> None:
    class NastyError(ValueError):
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    world.start(world.worker("a"))
    world.tell("a", NastyError())
    world.news.wait_count(1, ("dead", "a"))
    assert isinstance(world.dead[0].message, NastyError)
    world.wait_started("a", 3)


def test_a_drill_strikes_before_what_waits_and_blames_no_message(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()
    world.tell("a", "waiting")
    crash(world.system, "a", SystemExit("drill"))
    gate.open()
    assert isinstance(world.wait_exit("a", 1).reason, SystemExit)
    notes = world.probe.wait_count(1, "waiting")
    assert notes.index("waiting") > notes.index(("start", "a", 2))


def test_a_child_that_ignores_its_stop_is_abandoned(world: World) -> None:
    # Given an actor that hangs, with a short time to stop
    gate = Gate()
    world.start(world.worker("a", shutdown=0.05))
    world.tell("a", gate)
    gate.wait_entered()
    world.tell("a", "waiting")

    # When it is restarted
    world.ask("root", RestartChild("a"))

    # Then it counts as ended, once, and a successor takes the hanging message and what waited
    report = world.exit_of("a", 1)
    assert isinstance(report.reason, Abandoned)
    assert report.abandoned
    gate.wait_entered()
    gate.open()
    world.probe.wait_count(1, "waiting")
    # And the old thread comes back, closes what it owns, and takes nothing
    world.probe.wait_for(lambda notes: any(note[:3] == ("exit", "a", 1) for note in notes))
    assert world.probe.notes.count("waiting") == 1
    assert [report.incarnation for report in world.exits] == [1]


def test_a_message_that_hangs_twice_is_a_dead_letter(world: World) -> None:
    gates = [Gate(), Gate()]

    def hang(actor: Worker) -> None:
        gates[actor.context.incarnation - 1]()

    world.start(world.worker("a", shutdown=0.02))
    world.tell("a", hang)
    world.tell("a", "next")
    for gate in gates:
        gate.wait_entered()
        world.ask("root", RestartChild("a"))
    world.probe.wait_count(1, "next")
    assert [letter.message for letter in world.dead] == [hang]
    for gate in gates:
        gate.open()


def test_zero_seconds_abandon_at_once(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a", shutdown=0))
    world.tell("a", gate)
    gate.wait_entered()
    world.ask("root", StopChild("a"))
    assert world.exit_of("a", 1).abandoned
    gate.open()


def test_on_stop_and_on_failure_cannot_be_used_by_mistake() -> None:
    for hook in ("on_stop", "on_failure"):
        with pytest.raises(TypeError, match="use on_exit"):
            type("Mistaken", (Actor,), {hook: lambda _self: None})


def test_what_makes_it_an_actor_cannot_be_replaced_by_mistake() -> None:
    with pytest.raises(TypeError, match="take the place of what makes it an actor"):
        type("Mistaken", (Actor,), {"_handle": lambda _self, _message: None})


def test_what_is_no_actor_cannot_be_started(world: World) -> None:
    world.start()
    with pytest.raises(StartFailed):
        world.ask("root", StartChild(ChildSpec("a", lambda _context: None)))  # type: ignore[arg-type, return-value]  # the mistake
    until(lambda: not world.system.handle("a").alive)


@pytest.mark.parametrize("end", ["stop", "abandon"])
def test_others_may_end_it_while_its_own_thread_forgets_the_actor(
    world: World, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    # Given: one whose actor others see once more, and then not any more
    world.start(world.worker("a", restart=Restart.TEMPORARY))
    life = world.system._lives["a"]
    actor, others = life.actor, [life.actor]

    def seen(_: Life) -> Actor | None:
        if threading.current_thread() is life.thread:
            return actor
        return others.pop() if others else None

    with monkeypatch.context() as patch:
        patch.setattr(Life, "actor", property(seen, lambda *_: None), raising=False)
        # When others end it, then that is no error
        if end == "stop":
            life.stop(None)
        else:
            life.abandon(Abandoned("a"))
        world.wait_exit("a", 1)
        life.thread.join(DEADLINE)
    assert not life.thread.is_alive()
