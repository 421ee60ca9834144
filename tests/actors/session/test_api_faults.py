"""When the API fails: what a wait mends is waited for, what it won't is for a person."""

import random

import pytest

from actors.delivery import DeliveryState
from actors.messages import Revive, SessionState, TurnEnded
from actors.session import policy
from actors.session.policy import CRASH_PERIOD, CRASHES, CrashWindow, TurnRetries
from tests.actors.session.stage import Stage
from tests.contract.messages import message, say


@pytest.mark.parametrize("status", [429, 500, 529])
def test_a_turn_that_failed_goes_on_when_the_api_is_well_again(stage: Stage, status: int) -> None:
    if stage.api:
        stage.environment["CLAUDE_CODE_MAX_RETRIES"] = "1"
        stage.api.fail(status, times=2)
    stage.start(faults={"result_error": {"status": status, "text": f"API Error: {status}"}})
    delivery = stage.deliver(message(say("here it is")))
    # It says until when it waits, and the context counts as arrived: it is in the history
    waiting = stage.wait_state(SessionState.RATE_LIMITED)
    if not stage.api:
        assert waiting.detail.startswith(f"the API answered {status}: API Error: {status}; it goes on at ")
    turn = stage.wait_turn()
    assert turn.error is None
    assert stage.states(delivery)[-1] == "completed"
    assert stage.told("here it is") == 1
    assert stage.told("The API had failed") >= 1


@pytest.mark.parametrize("status", [400, 401])
def test_what_a_wait_will_not_mend_blocks_the_agent_with_the_reason(stage: Stage, status: int) -> None:
    if stage.api:
        stage.environment["CLAUDE_CODE_MAX_RETRIES"] = "1"
        stage.api.fail(status, times=100)
    stage.start(faults={"result_error": {"status": status, "text": f"API Error: {status}"}})
    stage.deliver(message(say("in the end")))
    blocked = stage.wait_state(SessionState.BLOCKED)
    assert f"the API answered {status}" in blocked.detail
    assert stage.record.all(TurnEnded) == []
    # When a person has mended it
    if stage.api:
        stage.api.recover()
    stage.tell(Revive())
    assert stage.wait_turn().error is None
    assert stage.told("in the end") == 1


def test_a_message_that_comes_meanwhile_takes_the_failed_one_along(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, _high: 3600.0)
    scripted.start(faults={"result_error": {"status": 500}})
    first = scripted.deliver(message(say("first")))
    scripted.wait_state(SessionState.RATE_LIMITED)
    second = scripted.deliver(message(say("second")))
    scripted.wait_completed(first, second)
    assert scripted.wait_turn().error is None
    assert scripted.told("The API had failed") == 0


def test_a_crash_while_it_waits_is_a_crash_like_others(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, _high: 3600.0)
    scripted.start(faults={"result_error": {"status": 500}})
    first = scripted.deliver(message(say("first")))
    scripted.wait_step(first, DeliveryState.COMPLETED)
    scripted.wait_state(SessionState.RATE_LIMITED)
    monkeypatch.setattr(random, "uniform", lambda _low, _high: 0.0)
    scripted.kill()
    # It goes on with the turn that was waiting, by itself
    scripted.wait_turn()
    second = scripted.deliver(message(say("second")))
    scripted.wait_completed(second)


def test_a_claude_that_says_nothing_is_ended_and_resumed(scripted: Stage) -> None:
    scripted.start(faults={"hang_in_turn": 1}, silence_seconds=1.0)
    delivery = scripted.deliver(message(say("after all")))
    assert "signal 9" in scripted.wait_state(SessionState.CRASHED).detail
    scripted.wait_completed(delivery)
    assert scripted.told("after all") == 1


def test_a_claude_that_has_nothing_to_do_may_be_silent(scripted: Stage) -> None:
    scripted.start(silence_seconds=0.2)
    scripted.deliver(message(say("hello")))
    scripted.wait_turn()
    pid = scripted.pid
    second = scripted.deliver(message({"sleep": 0.1}, say("still here")))
    scripted.wait_completed(second)
    assert scripted.pid == pid


def test_crashes_count_within_the_period_and_the_waits_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    window = CrashWindow()
    assert [window.add(float(time)) for time in range(CRASHES)] == [False] * CRASHES
    assert window.add(CRASH_PERIOD) is True
    assert window.add(3 * CRASH_PERIOD) is False  # the others are long ago
    assert len(window) == 1
    assert 0 <= window.delay() <= policy.FIRST_RESPAWN
    retries = TurnRetries()
    longest = [min(policy.LONGEST_RETRY, policy.FIRST_RETRY * 2**number) for number in range(40)]
    monkeypatch.setattr(random, "uniform", lambda low, high: (low, high))
    assert [retries.add() for _ in longest] == [(most / 2, most) for most in longest]
