"""Tests of mailboxes: waiting messages survive in order, and messages that kill are set aside."""

from __future__ import annotations

import functools
import threading

import pytest

from supervisors import (
    Abandoned,
    ActorContext,
    AskTimeout,
    ChildSpec,
    Intensity,
    NotRunning,
    RestartChild,
    StartChild,
    StopChild,
)
from supervisors.mailbox import Mailbox
from supervisors.reader import Reader, Stop
from tests.supervisors.helpers import DEADLINE, Gate, Worker, World, until

crashes = pytest.mark.expected_errors("child_exited")
dead_letters = pytest.mark.expected_errors("child_exited", "message_dead")


def test_a_handle_works_before_its_actor_exists(world: World) -> None:
    handle = world.system.handle("a")
    handle.tell("early")
    assert (handle.name, handle.alive, handle.waiting) == ("a", False, 1)

    world.start(world.worker("a"))

    world.probe.wait_count(1, "early")
    assert handle.alive
    assert world.system.handle("a") is handle


@crashes
def test_what_waits_survives_a_crash_in_order(world: World) -> None:
    # Given an actor that is busy, and messages that wait behind one that kills it once
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()

    def kills_once(actor: Worker) -> None:
        if actor.context.incarnation == 1:
            raise ValueError("once")
        actor.probe.note("survivor")

    for message in (1, kills_once, 2, 3):
        world.tell("a", message)

    # When it goes on
    gate.open()

    # Then the next incarnation handles the killer first, and then the others in their order
    notes = world.probe.wait_count(1, 3)
    assert [note for note in notes if not isinstance(note, tuple)] == [1, "survivor", 2, 3]
    assert world.dead == []


@dead_letters
def test_a_message_that_killed_twice_is_a_dead_letter(world: World) -> None:
    world.start(world.worker("a"))
    poison = ValueError("poison")

    world.tell("a", poison)
    world.tell("a", "next")

    world.probe.wait_count(1, "next")
    (letter,) = world.dead
    assert (letter.name, letter.message, letter.reason, letter.kills, letter.incarnations) == (
        "a",
        poison,
        poison,
        2,
        (1, 2),
    )
    assert "ValueError: poison" in letter.traceback
    assert world.system.handle("a").alive
    world.wait_started("a", 3)


@dead_letters
def test_a_poison_behind_another_one_counts_its_own_kills(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()
    first, second = ValueError("first"), ValueError("second")
    for message in (first, "between", second, "last"):
        world.tell("a", message)

    gate.open()

    notes = world.probe.wait_count(1, "last")
    assert notes.count("between") == 1
    assert [(letter.message, letter.incarnations) for letter in world.dead] == [
        (first, (1, 2)),
        (second, (3, 4)),
    ]


def test_a_stop_does_not_wait_behind_the_backlog(world: World) -> None:
    # Given a busy actor with a backlog
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()
    for number in range(1000):
        world.tell("a", number)

    # When it is stopped, and only then goes on
    world.tell("root", StopChild("a"))
    world.tell("a", "last")
    until_stopping(world, "a")
    gate.open()
    world.wait_exit("a", 1)

    # Then nothing of the backlog was handled, and all of it still waits
    assert 0 not in world.probe.notes
    assert world.system.handle("a").waiting == 1001


def until_stopping(world: World, name: str) -> None:
    """Wait until the stop has reached the actor's reader."""
    life = world.system.find_life(name)
    until(lambda: life is None or isinstance(life.reader.signal, Stop))


def test_asks_that_wait_for_one_who_is_stopped_for_good_are_refused_at_once(world: World) -> None:
    # Given a busy actor, and an ask that waits
    gate = Gate()
    world.start(world.worker("a"))
    handle = world.system.handle("a")
    handle.tell(gate)
    gate.wait_entered()
    refused = threading.Event()

    def ask() -> None:
        with pytest.raises(NotRunning, match=r"^a is not running$"):
            handle.ask("never", timeout=DEADLINE)
        refused.set()

    asker = threading.Thread(target=ask)
    asker.start()
    until(lambda: handle.waiting == 1)

    # When the actor is stopped for good
    world.tell("root", StopChild("a"))
    until_stopping(world, "a")
    gate.open()

    # Then the asker hears of it, and so does whoever asks later; told messages wait
    assert refused.wait(DEADLINE)
    asker.join(DEADLINE)
    with pytest.raises(NotRunning):
        handle.ask("later", timeout=DEADLINE)
    handle.tell("told")
    # And a later incarnation handles what was told, and none of the asks
    world.ask("root", StartChild(world.worker("a")))
    world.probe.wait_count(1, "told")
    assert handle.ask("again", timeout=DEADLINE) == "again"
    assert {"never", "later"}.isdisjoint(world.probe.wait_count(1, "again"))


def test_a_timed_out_ask_is_not_handled_any_more(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()

    with pytest.raises(AskTimeout) as caught:
        world.system.handle("a").ask("late", timeout=0.01)
    gate.open()

    assert isinstance(caught.value, TimeoutError)
    assert str(caught.value) == "a gave no answer within 0.01 s"
    assert world.ask("a", "after") == "after"
    assert "late" not in world.probe.notes


def test_wait_for_room_returns_when_the_reader_has_caught_up(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"))
    handle = world.system.handle("a")
    handle.tell(gate)
    gate.wait_entered()
    for number in range(10):
        handle.tell(number)

    assert handle.wait_for_room(11, timeout=0)
    assert not handle.wait_for_room(10, timeout=0.01)
    found: list[tuple[bool, int]] = []
    waiter = threading.Thread(
        target=lambda: found.append((handle.wait_for_room(3, DEADLINE), handle.waiting))
    )
    waiter.start()
    gate.open()
    waiter.join(DEADLINE)

    ((room, waiting),) = found
    assert room
    assert waiting < 3
    with pytest.raises(ValueError, match="limit"):
        handle.wait_for_room(0, timeout=0)


def test_backpressure_holds_the_mailbox_at_its_limit(world: World) -> None:
    world.start(world.worker("a"))
    handle = world.system.handle("a")
    highest = 0
    for number in range(2000):
        assert handle.wait_for_room(20, DEADLINE)
        handle.tell(number)
        highest = max(highest, handle.waiting)
    world.probe.wait_count(1, 1999)
    assert highest <= 20
    assert handle._mailbox._waiters == []


@crashes
def test_many_writers_lose_nothing_while_the_reader_crashes(world: World) -> None:
    # Given four writers, each with its own order, and crashes meanwhile
    world.start(world.worker("a"), intensity=Intensity(restarts=1000))

    def write(writer: int) -> None:
        for number in range(500):
            world.tell("a", [writer, number])

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    for drill in range(5):
        world.system.handle("a").tell(_kill_in(drill + 1))
    for thread in writers:
        thread.join(DEADLINE)

    # Then every message is handled exactly once and in its writer's order: each crash was another's
    notes = world.probe.wait_for(lambda notes: sum(isinstance(note, list) for note in notes) >= 2000)
    seen = [note for note in notes if isinstance(note, list)]
    for writer in range(4):
        assert [number for by, number in seen if by == writer] == list(range(500))


def _kill_in(incarnation: int) -> object:
    def kill(actor: Worker) -> None:
        if actor.context.incarnation == incarnation:
            raise ValueError(incarnation)

    return kill


def test_a_fenced_reader_steals_nothing() -> None:
    # Given a reader with a message in its hands, which is given up
    mailbox = Mailbox("a")
    old = Reader(mailbox, 1)
    for number in range(3):
        mailbox.put(number)
    assert old.next(1)
    old.fence()

    # When the next incarnation reads, and the old one comes back
    new = Reader(mailbox, 2)
    with pytest.raises(Abandoned):
        old.next(1)

    # Then the new one has it all: first the message that the old one had
    taken = []
    for _ in range(3):
        assert new.next(1)
        (entry,) = new.batch
        new.handled = 1
        taken.append(getattr(entry, "item", entry))
    assert taken == [0, 1, 2]
    assert old.fence() == ([], [])


def test_a_mailbox_is_read_through_its_reader_only() -> None:
    mailbox = Mailbox("a")
    assert mailbox.empty()
    with pytest.raises(TypeError, match="reader"):
        mailbox.get()


def test_the_context_tells_who_one_is(world: World) -> None:
    seen: list[ActorContext] = []

    class Curious(Worker):
        def on_start(self) -> None:
            seen.append(self.context)
            assert self.handle is self.context.handle

    world.start(ChildSpec("a", Curious))
    (context,) = seen
    assert (context.name, context.incarnation, context.system) == ("a", 1, world.system)
    assert context.handle is world.system.handle("a")
    assert repr(context.handle) == "<Handle a>"


class Thorough(Worker):
    """Handles the waiting messages before it stops."""

    drains = True


def test_one_that_drains_handles_what_waits_before_it_stops(world: World) -> None:
    # Given one that is busy, and messages that wait for it
    gate = Gate()
    world.start(ChildSpec("a", functools.partial(Thorough, probe=world.probe)))
    world.tell("a", gate)
    gate.wait_entered()
    for number in range(5):
        world.tell("a", number)
    # When its stop comes meanwhile
    stopper = threading.Thread(target=world.system.stop)
    stopper.start()
    until(lambda: world.system.handle("a").waiting > 5)
    world.tell("a", "too late")
    gate.open()
    stopper.join(DEADLINE)
    # Then it has handled them, and nothing that came later
    assert [note for note in world.probe.notes if not isinstance(note, tuple)] == list(range(5))
    assert world.exit_of("a", 1).normal
    assert world.system.handle("a").waiting == 1


@dead_letters
def test_a_stop_that_outlived_its_actor_stops_no_other(world: World) -> None:
    # Given one that dies of what it handles before its stop
    gate = Gate()
    world.start(ChildSpec("a", functools.partial(Thorough, probe=world.probe)))
    world.tell("a", gate)
    gate.wait_entered()
    world.tell("a", SystemExit("before its stop"))
    asker = threading.Thread(target=lambda: world.ask("root", StopChild("a")))
    asker.start()
    until(lambda: world.system.handle("a").waiting == 2)
    gate.open()
    asker.join(DEADLINE)
    assert isinstance(world.wait_exit("a", 1).reason, SystemExit)
    # When it is started again, then it lives
    world.ask("root", RestartChild("a"))
    world.news.wait_count(1, ("dead", "a"))  # the message killed this one too, and is set aside
    assert world.ask("a", lambda actor: actor.context.incarnation) == 3
