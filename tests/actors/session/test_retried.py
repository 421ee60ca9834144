"""Tests of dead letters that a person has retried, and that claude may have read before."""

import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.protocol.deliveries import DeliveryState
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Deliver, SessionReady, SessionState
from actors.session import actor
from actors.session.drive import Past
from actors.session.drives.stream.drive import StreamDrive
from tests.actors.session.stage import Stage, wait_for
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

RECEIPT = 600.0
"""Seconds that a receipt may take here: longer than any test."""


def give_up(stage: Stage, text: str, **options: Any) -> str:
    """Make a context a dead letter that claude reads afterwards."""
    stage.start(max_attempts=1, receipt_seconds=RECEIPT, **options)
    stage.deliver(message(say("before")))
    stage.wait_turn()
    os.kill(stage.pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(stage.pid).status() == psutil.STATUS_STOPPED)
    try:
        delivery = stage.deliver(text)
        stage.wait_step(delivery, DeliveryState.WRITTEN)
        stage.clock.advance(RECEIPT)
        stage.wait_step(delivery, DeliveryState.DEAD)
    finally:
        os.kill(stage.pid, signal.SIGCONT)
    return delivery


def retry(stage: Stage, delivery_id: str) -> None:
    """Deliver it again, as the router does when a person retries it."""
    delivery = stage.given[delivery_id].model_copy(update={"attempts": 1})
    stage.outstanding[delivery_id] = delivery
    stage.tell(Deliver(delivery=delivery))


def test_one_that_was_answered_meanwhile_is_done_and_not_told_again(stage: Stage) -> None:
    # Given: a dead letter that claude has read and answered.
    delivery = give_up(stage, message(say("read it")))
    stage.wait_turn(2)
    # When: a person retries it, then it is done, and so is its turn.
    retry(stage, delivery)
    assert stage.wait_step(delivery, DeliveryState.COMPLETED).receipt == "transcript"
    assert stage.wait_turn(3).text == "read it"
    # And: nothing holds up what comes next.
    after = stage.deliver(message(say("after")))
    stage.wait_completed(after)
    assert [stage.told(f'"{text}"') for text in ("before", "read it", "after")] == [1, 1, 1]
    assert stage.told("[coordinator]") == 0


def test_one_that_is_worked_on_is_done_when_that_turn_is_over(stage: Stage, gate: Path) -> None:
    # Given: a dead letter that claude works on.
    delivery = give_up(stage, message(wait_for_gate(gate), say("the rest")))
    stage.wait_state(SessionState.WORKING, 2)
    stage.wait_tool()
    # When: a person retries it, then it waits for the turn's end.
    retry(stage, delivery)
    stage.wait_step(delivery, DeliveryState.STARTED)
    stage.tell(RouterStarted())
    stage.record.wait_for(SessionReady, nth=2)  # all that was said before has been heard
    assert "completed" not in stage.states(delivery)
    gate.touch()
    stage.wait_completed(delivery)
    assert stage.wait_turn(2).text == "the rest"
    assert stage.told('"the rest"') == 1
    assert stage.told("[coordinator]") == 0


def test_one_that_never_arrived_is_written_under_its_id(scripted: Stage) -> None:
    scripted.start()
    scripted.deliver(message(say("before")))
    scripted.wait_turn()
    delivery = scripted.deliver(message(say("at last")), tell=False)
    retry(scripted, delivery)
    scripted.wait_completed(delivery)
    assert scripted.states(delivery) == ["written", "accepted", "started", "completed"]
    assert scripted.steps(delivery)[0].attempts == 2
    assert scripted.told('"at last"') == 1


def test_while_the_transcript_cannot_be_read_it_is_not_written(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a dead letter that claude has answered, and no descriptor left to see that.
    looks: list[None] = []
    is_answered = threading.Event()

    class Blind(StreamDrive):
        def read_history(self) -> Past:
            looks.extend([None] if is_answered.is_set() else [])
            if 0 < len(looks) < 3:
                raise OSError(errno.EMFILE, "no descriptor is left")
            return super().read_history()

    delivery = give_up(scripted, message(say("read it")), drive=Blind)
    scripted.wait_turn(2)
    is_answered.set()
    monkeypatch.setattr(actor, "RETRY_SECONDS", 0.0)
    # When: it is retried, then it is looked again until that is possible.
    retry(scripted, delivery)
    assert scripted.wait_step(delivery, DeliveryState.COMPLETED).receipt == "transcript"
    assert len(looks) == 3
    assert scripted.told('"read it"') == 1


def test_what_comes_behind_one_that_waits_does_not_overtake_it(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a retried dead letter that never arrived, and a history that can't be read for a while.
    can_read = threading.Event()

    class Blind(StreamDrive):
        def read_history(self) -> Past:
            if not can_read.is_set():
                raise OSError(errno.EMFILE, "no descriptor is left")
            return super().read_history()

    monkeypatch.setattr(actor, "RETRY_SECONDS", 0.01)
    scripted.start(drive=Blind)
    scripted.deliver(message(say("before")))
    scripted.wait_turn()
    first = scripted.deliver(message(say("first")), tell=False)
    retry(scripted, first)
    # When: another one comes, then both wait, and the session isn't said to be idle.
    second = scripted.deliver(message(say("second")))
    scripted.tell(RouterStarted())
    assert not scripted.record.wait_for(SessionReady, nth=2).idle
    assert scripted.states(first) == scripted.states(second) == []
    # Then: they go in as they came.
    can_read.set()
    scripted.wait_completed(first, second)
    texts = scripted.texts()
    assert [part in text for part, text in zip(("before", "first"), texts, strict=False)] == [True, True]
    assert "second" in texts[-1]
