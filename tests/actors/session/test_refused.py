"""Tests of hooks of the user that stop messages: nothing counts as delivered, and the agent is blocked."""

import json
from pathlib import Path

import pytest

from actors.protocol.deliveries import DeliveryState
from actors.protocol.sessions import SessionState, TurnEnded, Unblock
from tests.actors.session.stage import Stage
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate


def refuse(stage: Stage, mended: Path, *, only: str = "", kept: bool = False) -> None:
    """Have a hook stop each message (with this text) until a file exists; kept: claude has it in its history then."""
    answer = """echo '{"continue": false, "stopReason": "nope"}'""" if kept else "echo nope >&2; exit 2"
    command = f"test -e {mended} || if grep -q '{only}'; then {answer}; fi"
    hooks = {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": command}]}]}
    settings = Path(stage.environment["HOME"]) / ".claude" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps({"hooks": hooks}))
    fault = {"reason": "nope", "kept": kept, "until": str(mended)}
    stage.start(faults={"refuse_prompt": fault})


@pytest.fixture
def mended(tmp_path: Path) -> Path:
    return tmp_path / "mended"


def test_a_message_that_a_hook_refuses_is_kept_and_goes_on_when_a_person_says_so(
    stage: Stage, mended: Path
) -> None:
    refuse(stage, mended)
    deliveries = [stage.deliver(message(say("one"))), stage.deliver(message(say("two")))]
    # Then the model was never asked, and nobody believes that it was
    assert stage.wait_state(SessionState.BLOCKED).detail == "a hook refused a message: nope"
    assert stage.told('"one"') == stage.told('"two"') == 0
    assert all(stage.states(each)[-1] in ("written", "accepted") for each in deliveries)
    assert stage.record.all(TurnEnded) == []
    # When the hook is mended, and the agent retried
    mended.touch()
    stage.tell(Unblock())
    # Then each arrives, once
    stage.wait_completed(*deliveries)
    stage.wait_turn()
    assert [stage.told(f'"{text}"') for text in ("one", "two")] == [1, 1]
    assert all(stage.states(each)[-3:] == ["accepted", "started", "completed"] for each in deliveries)


def test_a_turn_that_a_hook_stops_goes_on_when_a_person_says_so(stage: Stage, mended: Path) -> None:
    refuse(stage, mended, kept=True)
    delivery = stage.deliver(message(say("at last")))
    assert stage.wait_state(SessionState.BLOCKED).detail == "a hook stopped the turn: nope"
    assert stage.record.all(TurnEnded) == []
    mended.touch()
    stage.tell(Unblock())
    stage.wait_completed(delivery)
    assert stage.wait_turn().text
    # The history has the message already: it isn't sent again
    assert stage.told("at last") == 1
    assert stage.told("Your turn was stopped") == 1


def test_a_message_that_is_refused_during_a_turn_lets_the_turn_end(
    request: pytest.FixtureRequest, mended: Path, gate: Path
) -> None:
    stage: Stage = request.getfixturevalue("real")
    refuse(stage, mended, only="second")
    first = stage.deliver(message(wait_for_gate(gate), say("first done")))
    stage.wait_tool()
    second = stage.deliver(message(say("second")))
    stage.wait_step(second, DeliveryState.ACCEPTED)
    gate.touch()
    assert stage.wait_state(SessionState.BLOCKED).detail == "a hook refused a message: nope"
    stage.wait_completed(first)
    assert stage.states(second)[-1] == "accepted"
    mended.touch()
    stage.tell(Unblock())
    stage.wait_completed(second)
    assert [stage.told(text) for text in ('"first done"', '"second"')] == [1, 1]
