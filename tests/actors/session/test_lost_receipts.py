"""Tests of receipts that don't come: the transcript is read, the context resent, and at last a dead letter."""

import sys
from pathlib import Path

from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Deliver, SessionReady, TurnEnded
from tests.actors.session.stage import Stage
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

SOON = 0.15
"""Seconds that a receipt may take here."""
LONG = 600.0
"""Much longer than any test, and shorter than a claude may be silent."""
DEAF = "import sys\nfor line in sys.stdin: pass"
"""Takes every message and says nothing."""
MUTE_ONCE = """
import json, sys
lines = iter(sys.stdin.readline, "")
next(lines)
for line in lines:
    uuid = json.loads(line)["uuid"]
    for state in ("queued", "started", "completed"):
        print(json.dumps({"type": "command_lifecycle", "command_uuid": uuid, "state": state}))
        if state == "started":
            print(json.dumps({"type": "user", "uuid": uuid, "isReplay": True, "timestamp": "now"}))
    print(json.dumps({"type": "result", "result": "heard"}), flush=True)
"""


def message_to_coder(delivery_id: str, attempts: int = 0) -> Delivery:
    return Delivery(
        id=delivery_id, agent="coder", kind=DeliveryKind.MESSAGE, text="hello?", attempts=attempts
    )


def attempts(stage: Stage, delivery_id: str) -> list[int | None]:
    """Return the numbers of the attempts to write it."""
    return [step.attempts for step in stage.steps(delivery_id) if step.state is DeliveryState.WRITTEN]


def after_writing(stage: Stage, delivery_id: str) -> list[str]:
    """Return its states after the last writing; how often it was written depends on the machine's speed."""
    return [state for state in stage.states(delivery_id) if state != "written"]


def test_a_message_that_was_lost_is_written_again_under_the_same_id(scripted: Stage) -> None:
    scripted.start(faults={"lose_message": 1}, receipt_seconds=SOON)
    delivery = scripted.deliver(message(say("once")))
    scripted.wait_turn()
    numbers = attempts(scripted, delivery)
    assert len(numbers) > 1
    assert numbers == list(range(1, len(numbers) + 1))
    # On a busy machine, the transcript is looked at before the receipt comes, and tells more.
    assert after_writing(scripted, delivery) in (
        ["accepted", "started", "completed"],
        ["started", "completed"],
    )
    assert [line.get("uuid") for line in scripted.transcript()].count(delivery) == 1


def test_after_so_many_attempts_it_is_dead_and_says_why(scripted: Stage) -> None:
    scripted.start(command=(sys.executable, "-c", DEAF), receipt_seconds=0.02, max_attempts=3)
    delivery = scripted.deliver("does anybody hear?")
    dead = scripted.wait_step(delivery, DeliveryState.DEAD)
    assert dead.reason == "no receipt from claude after 3 attempts"
    assert scripted.states(delivery) == ["written", "written", "written", "dead"]
    assert delivery not in scripted.outstanding
    # And: a person may retry it.
    scripted.deliver("and now?")
    scripted.tell(Deliver(delivery=message_to_coder(delivery)))
    scripted.wait_step(delivery, DeliveryState.DEAD, 2)


def test_one_that_is_dead_does_not_keep_the_session_from_being_idle(scripted: Stage) -> None:
    """The first is never read, the second is; the end of its turn is reported once the first is a dead letter."""
    scripted.start(command=(sys.executable, "-c", MUTE_ONCE), receipt_seconds=LONG, max_attempts=1)
    lost = scripted.deliver("lost")
    heard = scripted.deliver("heard")
    scripted.wait_completed(heard)
    assert scripted.record.all(TurnEnded) == []
    scripted.clock.advance(LONG)
    scripted.wait_step(lost, DeliveryState.DEAD)
    assert scripted.wait_turn().text == "heard"


def test_without_any_receipt_the_transcript_is_evidence(scripted: Stage) -> None:
    """A claude without receipts works on messages all the same."""
    scripted.start(faults={"no_receipts": True}, receipt_seconds=SOON)
    for number in (1, 2):
        delivery = scripted.deliver(message(say(f"turn {number}")))
        assert scripted.wait_turn(number).text == f"turn {number}"
        assert after_writing(scripted, delivery) == ["started", "completed"]
        assert scripted.receipts(delivery)[-2:] == ["transcript", "transcript"]
        assert scripted.told(f"turn {number}") == 1


def test_what_has_arrived_is_not_dead_though_the_last_attempt_is_over(scripted: Stage) -> None:
    scripted.start(faults={"no_receipts": True}, receipt_seconds=LONG, max_attempts=1)
    delivery = scripted.deliver(message(say("done")))
    scripted.wait_transcript(lambda line: line["type"] == "assistant")
    scripted.clock.advance(LONG)
    assert scripted.wait_turn().text == "done"
    assert scripted.states(delivery) == ["written", "started", "completed"]


def test_without_any_receipt_a_turn_that_runs_is_not_taken_for_done(scripted: Stage, gate: Path) -> None:
    # Given: a first turn that has ended, unnoticed, and a second one that runs.
    scripted.start(faults={"no_receipts": True}, receipt_seconds=SOON)
    deliveries = [
        scripted.deliver(message(say("one"))),
        scripted.deliver(message(wait_for_gate(gate), say("two"))),
    ]
    # When: both are found in the transcript.
    for delivery in deliveries:
        scripted.wait_step(delivery, DeliveryState.STARTED)
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    # Then: the second is done when its turn is, and only then the session is idle.
    assert scripted.states(deliveries[1])[-1] == "started"
    assert scripted.record.all(TurnEnded) == []
    gate.touch()
    assert scripted.wait_turn().text == "two"
    scripted.wait_completed(*deliveries)


def test_receipts_that_come_late_change_nothing_any_more(scripted: Stage) -> None:
    scripted.start(faults={"late_receipts": 3 * SOON}, receipt_seconds=SOON)
    first = scripted.deliver(message(say("one")))
    scripted.wait_turn()
    second = scripted.deliver(message(say("two")))
    assert scripted.wait_turn(2).text == "two"
    for delivery in (first, second):
        states = scripted.states(delivery)
        assert states == sorted(states, key=lambda state: list(DeliveryState).index(DeliveryState(state)))
        assert states.count("completed") == 1
    assert [scripted.told(f'"{text}"') for text in ("one", "two")] == [1, 1]


def test_an_earlier_receipt_is_looked_after_though_a_later_one_is_awaited(scripted: Stage) -> None:
    """A delivery that was resent often has a long wait; a fresh one's must not become as long."""
    scripted.start(command=(sys.executable, "-c", DEAF), receipt_seconds=0.2, max_attempts=12)
    written = {
        "state": DeliveryState.WRITTEN
    }  # a queued one, that was written too, would be a retried dead letter
    old = message_to_coder("old", attempts=11).model_copy(update=written)
    scripted.outstanding["old"] = old
    scripted.tell(Deliver(delivery=old))
    scripted.wait_step("old", DeliveryState.WRITTEN)
    fresh = scripted.deliver("fresh")
    scripted.wait_step(fresh, DeliveryState.WRITTEN, 2)
    assert scripted.states("old") == ["written"]
