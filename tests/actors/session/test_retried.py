"""Dead letters that a person has retried: claude may have read them all the same."""

import errno
import os
import signal
from pathlib import Path

import psutil
import pytest

from actors.protocol.deliveries import DeliveryState
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Deliver, SessionReady, SessionState
from actors.session import actor
from actors.session.drives.stream.drive import Claude
from actors.session.drives.stream.transcript import Conversation
from tests.actors.session.stage import Stage, wait_for
from tests.actors.support import DEADLINE
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate


def give_up(stage: Stage, text: str) -> str:
    """Have a context become a dead letter that claude reads afterwards."""
    stage.start(max_attempts=1)
    stage.deliver(message(say("before")))
    stage.wait_turn()
    os.kill(stage.pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(stage.pid).status() == psutil.STATUS_STOPPED)
    try:
        delivery = stage.deliver(text)
        stage.wait_step(delivery, DeliveryState.WRITTEN)
        stage.expire()
        stage.wait_step(delivery, DeliveryState.DEAD)
        stage.actor._talk._receipts._seconds = DEADLINE
    finally:
        os.kill(stage.pid, signal.SIGCONT)
    return delivery


def retry(stage: Stage, delivery_id: str) -> None:
    """Give it once more, as the router does when a person has said so."""
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
    delivery = give_up(scripted, message(say("read it")))
    scripted.wait_turn(2)
    looks: list[None] = []

    def read_transcript(claude: Claude) -> Conversation:
        looks.append(None)
        if len(looks) < 3:
            raise OSError(errno.EMFILE, "no descriptor is left")
        return read(claude)

    read = Claude.read_transcript
    monkeypatch.setattr(Claude, "read_transcript", read_transcript)
    monkeypatch.setattr(actor, "LOOK_SECONDS", 0.0)
    # When: it is retried, then it is looked again until that is possible.
    retry(scripted, delivery)
    assert scripted.wait_step(delivery, DeliveryState.COMPLETED).receipt == "transcript"
    assert len(looks) == 3
    assert scripted.told('"read it"') == 1
