"""Tests of the names inside pykka on which `supervisors._pykka` depends."""

from __future__ import annotations

import inspect
import queue
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope
from pykka.messages import ProxyCall, _ActorStop

import supervisors
from supervisors import Actor, ChildSpec
from supervisors._pykka import PykkaActor
from tests.supervisors.helpers import DEADLINE, World


def test_the_envelope_holds_a_message_and_whom_to_answer() -> None:
    envelope = Envelope("message")
    assert (envelope.message, envelope.reply_to) == ("message", None)
    assert Envelope("message", None).reply_to is None


def test_a_future_takes_one_answer() -> None:
    future: pykka.ThreadingFuture[int] = pykka.ThreadingFuture()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    with pytest.raises(queue.Full):
        future.set_exception((ValueError, ValueError(), None))
    assert future.get(timeout=0) == 1


def test_pykka_creates_the_inbox_on_self_and_its_ref_writes_there() -> None:
    written: list[Any] = []

    class Inbox(queue.Queue[Any]):
        def put(self, item: Any, *_args: Any) -> None:
            written.append(item)

    class Own(pykka.ThreadingActor):
        def _create_actor_inbox(self) -> Inbox:  # type: ignore[override]  # as the seam does
            return Inbox()

    actor = Own()
    actor.actor_ref.tell("message")
    assert isinstance(actor.actor_inbox, Inbox)
    assert [envelope.message for envelope in written] == ["message"]


def test_stop_messages_come_to_stop_through_handle_receive() -> None:
    stopped: list[str] = []

    class Own(pykka.ThreadingActor):
        def _stop(self) -> None:
            stopped.append("stopped")

        def method(self, value: int) -> int:
            return value + 1

    actor = Own()
    actor._handle_receive(_ActorStop())
    assert stopped == ["stopped"]
    assert actor._handle_receive(ProxyCall(("method",), (1,), {})) == 2


def test_the_seams_exist_with_their_signatures() -> None:
    for name in ("_create_actor_inbox", "_start_actor_loop", "_stop", "_handle_receive"):
        ours, theirs = getattr(PykkaActor, name), getattr(pykka.ThreadingActor, name)
        own = [parameter for parameter in inspect.signature(ours).parameters if parameter != "self"]
        assert own == [parameter for parameter in inspect.signature(theirs).parameters if parameter != "self"]
    assert version("pykka").startswith("4.5.")


def test_pykka_names_are_in_one_file_only() -> None:
    folder = Path(supervisors.__file__).parent
    users = {
        path.name
        for path in folder.glob("*.py")
        if "pykka._" in path.read_text() or "_ActorStop" in path.read_text()
    }
    assert users == {"_pykka.py"}


def test_refs_and_proxies_of_pykka_go_on_working(world: World) -> None:
    world.start(world.worker("a"))
    (ref,) = [ref for ref in pykka.ActorRegistry.get_all() if ref.actor_class.__name__ == "Worker"]

    ref.tell("told")
    assert ref.ask("asked", timeout=DEADLINE) == "asked"
    assert "told" in world.probe.notes
    assert ref.proxy().batch_size.get(timeout=DEADLINE) == 1
    with pytest.raises(ValueError, match="mine"):
        ref.ask(ValueError("mine"), timeout=DEADLINE)
    assert ref.stop(timeout=DEADLINE)
    assert world.wait_exit("a", 1).normal
    world.wait_started("a", 2)
    assert not ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("too late")


def test_pykka_must_not_start_a_supervised_actor() -> None:
    with pytest.raises(TypeError, match="ChildSpec"):
        Actor.start()
    with pytest.raises(TypeError, match="supervisor"):
        Actor.__new__(Actor)._start_actor_loop()


def test_an_unknown_message_is_survived(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start(ChildSpec("plain", Actor))
    assert world.ask("plain", "what?") is None
    assert "Unexpected message received by Actor plain#1: what?" in caplog.text
