"""Tests of batches: a group commit that loses nothing and finds the message that fails it."""
# ruff: noqa: D102  # an actor's hooks are explained by their base class

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from supervisors import ActorContext, ChildSpec, RestartChild, StartChild, StopChild
from supervisors.drill import crash
from tests.supervisors.helpers import AT_ONCE, Gate, Probe, Worker, World, until

if TYPE_CHECKING:
    from collections.abc import Callable

crashes = pytest.mark.expected_errors("child_exited")
dead_letters = pytest.mark.expected_errors("child_exited", "message_dead")


class Committer(Worker):
    """Keeps its messages until the batch is closed, like an actor with a database transaction."""

    batch_size = 4

    def __init__(
        self, context: ActorContext, *, probe: Probe, fails: Callable[[Committer], None] | None = None
    ) -> None:
        super().__init__(context, probe=probe)
        self.pending: list[Any] = []
        self.fails = fails

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, BaseException):
            raise message
        if callable(message):
            return message(self)
        self.pending.append(message)
        return message

    def on_batch(self) -> None:
        if self.fails is not None:
            self.fails(self)
        self.probe.note("commit", tuple(self.pending))
        self.pending = []


def committer(world: World, fails: Callable[[Committer], None] | None = None) -> ChildSpec:
    return ChildSpec("a", functools.partial(Committer, probe=world.probe, fails=fails), backoff=AT_ONCE)


def commits(world: World) -> list[Any]:
    return [note[1] for note in world.probe.notes if note[0] == "commit"]


def committed(world: World) -> list[Any]:
    return [message for batch in commits(world) for message in batch]


def wait_committed(world: World, message: object) -> None:
    world.probe.wait_for(lambda notes: any(note[0] == "commit" and message in note[1] for note in notes))


def fill(world: World, *messages: object) -> None:
    """Make all messages wait before the actor continues."""
    gate = Gate()
    world.tell("a", gate)
    gate.wait_entered()
    for message in messages:
        world.tell("a", message)
    gate.open()


def test_a_batch_closes_when_full_or_when_nothing_waits(world: World) -> None:
    world.start(committer(world))
    fill(world, *range(6))
    wait_committed(world, 5)
    assert commits(world) == [(0, 1, 2), (3, 4, 5)]  # the gate was the first message of the first batch


def test_what_arrives_meanwhile_joins_the_batch(world: World) -> None:
    gate = Gate()
    world.start(committer(world))
    world.tell("a", "first")
    world.tell("a", gate)
    gate.wait_entered()
    world.tell("a", "second")
    gate.open()
    wait_committed(world, "second")
    assert commits(world)[-1][-1] == "second"
    assert len(commits(world)) <= 2


def test_an_ask_is_answered_only_after_its_batch_is_committed(world: World) -> None:
    world.start(committer(world))
    assert world.ask("a", "x") == "x"
    assert committed(world) == ["x"]


@crashes
def test_a_crash_hands_over_the_whole_batch_one_by_one(world: World) -> None:
    # Given a batch whose third message kills its reader once
    def kills_once(actor: Committer) -> None:
        if actor.context.incarnation == 1:
            raise ValueError("once")
        actor.pending.append("killer")

    world.start(committer(world))
    fill(world, 1, 2, kills_once, 3, 4)

    # Then all is committed once, in order, and what was in the batch each in a batch of its own
    wait_committed(world, 4)
    assert committed(world) == [1, 2, "killer", 3, 4]
    assert commits(world)[:4] == [(), (1,), (2,), ("killer",)]
    assert world.dead == []


@dead_letters
def test_a_commit_that_fails_finds_its_culprit(world: World) -> None:
    # Given a commit that can't take one certain message
    def no_bad_ones(actor: Committer) -> None:
        if "bad" in actor.pending:
            raise ValueError("bad")

    world.start(committer(world, no_bad_ones))
    fill(world, 1, "bad", 2, 3, 4)

    # Then only that one dies, after it has killed twice on its own, and the others are committed in order
    wait_committed(world, 4)
    assert committed(world) == [1, 2, 3, 4]
    (letter,) = world.dead
    assert (letter.message, letter.kills) == ("bad", 2)
    assert {report.stage.value for report in world.exits} == {"batch"}


@crashes
def test_innocents_never_collect_kills(world: World) -> None:
    # Given commits that fail several times, whatever is in them
    def first_two(actor: Committer) -> None:
        if actor.context.incarnation in {1, 2} and len(actor.pending) != 1:
            raise ValueError("disk")

    world.start(committer(world, first_two))
    fill(world, 1, 2, 3)

    wait_committed(world, 3)
    assert committed(world) == [1, 2, 3]
    assert world.dead == []


@crashes
def test_a_guilty_ask_gets_the_error_and_is_not_handed_over(world: World) -> None:
    def once(actor: Committer) -> None:
        if actor.context.incarnation == 1:
            raise ValueError("commit failed")

    world.start(committer(world, once))
    with pytest.raises(ValueError, match="commit failed"):
        world.ask("a", "asked")
    assert world.ask("a", "again") == "again"
    assert committed(world) == ["again"]


@crashes
def test_an_innocent_ask_is_handed_over_and_answered(world: World) -> None:
    gate = Gate()
    world.start(committer(world))
    answers: list[object] = []

    class Asker(Worker):
        def on_start(self) -> None:
            self.handle.tell(lambda _: answers.append(world.ask("a", "asked")))

    world.tell("a", gate)
    gate.wait_entered()
    world.ask("root", StartChild(ChildSpec("asker", Asker)))
    until(lambda: world.system.handle("a").waiting == 1)
    world.tell("a", _kill_first)
    gate.open()
    until(lambda: answers == ["asked"])
    assert committed(world).count("asked") == 1


def _kill_first(actor: Committer) -> None:
    if actor.context.incarnation == 1:
        raise ValueError("first")


def test_an_exception_in_an_ask_does_not_end_the_batch(world: World) -> None:
    world.start(committer(world))
    with pytest.raises(ValueError, match="asked for"):
        world.ask("a", ValueError("asked for"))
    assert world.ask("a", "x") == "x"
    assert world.exits == []


def test_an_orderly_stop_commits_what_is_pending_and_leaves_the_rest(world: World) -> None:
    # Given a batch that is half done
    gate = Gate()
    world.start(committer(world))
    fill(world, 1, gate, 2, 3)
    gate.wait_entered()

    # When a stop is asked for
    world.tell("root", StopChild("a"))
    life = world.system.find_life("a")
    until(lambda: life is None or life.reader.signal is not None)
    gate.open()

    # Then what was handled is committed, and what was not still waits
    assert world.wait_exit("a", 1).normal
    assert committed(world) == [1]
    assert list(world.system.mailbox("a").items) == [2, 3]


@crashes
def test_a_drill_in_the_middle_of_a_batch_loses_nothing(world: World) -> None:
    gate = Gate()
    world.start(committer(world))
    fill(world, 1, gate, 2, 3)
    gate.wait_entered()
    crash(world.system, "a", RuntimeError("drill"))
    gate.open()
    wait_committed(world, 3)
    assert committed(world) == [1, 2, 3]
    assert world.dead == []


@crashes
def test_an_end_of_ones_own_for_a_reason_commits_first(world: World) -> None:
    def give_up(actor: Committer) -> None:
        actor.pending.append("last words")
        actor.stop(ValueError("enough"))

    world.start(committer(world))
    fill(world, 1, give_up, 2)
    wait_committed(world, 2)
    assert committed(world) == [1, "last words", 2]
    assert [report.incarnation for report in world.exits] == [1]


@crashes
def test_an_abandoned_reader_commits_nothing_any_more(world: World) -> None:
    # Given an actor that hangs in the middle of a batch, and is given up
    gate = Gate()
    spec = ChildSpec("a", functools.partial(Committer, probe=world.probe), shutdown=0.05, backoff=AT_ONCE)
    world.start(spec)
    fill(world, 1, gate, 2)
    gate.wait_entered()
    world.ask("root", RestartChild("a"))

    # When its thread comes back, while the next incarnation hangs in the same message
    gate.wait_entered()
    gate.open()

    # Then the successor has committed it all, once
    wait_committed(world, 2)
    world.probe.wait_for(lambda notes: any(note[:3] == ("exit", "a", 1) for note in notes))
    assert committed(world) == [1, 2]
    assert world.exit_of("a", 1).abandoned
