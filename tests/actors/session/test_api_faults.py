"""Tests of failures of the API: where waiting helps the turn is suspended, otherwise the session is blocked."""

import re
from collections.abc import Callable

import pytest

from actors.protocol.deliveries import DeliveryState
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import SessionChanged, SessionReady, SessionState, TurnEnded, Unblock
from actors.session.drive import MessageMoved, StreamRead
from supervisors.drill import crash
from tests.actors.session.stage import NAME, Stage
from tests.contract.messages import message, say

GOES_ON = r"goes on at (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d: "
NO_CREDIT = "Your credit balance is too low to access the Anthropic API."
CUT_OFF = None
"""In place of an HTTP status: the connection breaks before there is one."""
HOUR = 3600.0


def fail(stage: Stage, status: int | None, *, times: int, text: str = "", **fault: object) -> None:
    """Start it with an API that fails these requests (with the stand-in: one turn, however many it takes)."""
    if stage.api:
        stage.environment["CLAUDE_CODE_MAX_RETRIES"] = "1"
        if status is None:
            stage.api.drop(times=times, at_once=True)
        else:
            stage.api.fail(status, times=times, message=text)
    words = text or f"API Error: {status}"
    stage.start(faults={"result_error": {"status": status, "text": words, **fault}})


def wait_failed(stage: Stage) -> None:
    """Wait until claude has given a turn up, and the session has suspended it."""
    stage.record.wait_for(
        SessionChanged,
        lambda change: change.state is SessionState.RATE_LIMITED and "API Error" in change.detail,
    )


# ---------------------------------------------------------------- while claude tries again by itself


@pytest.mark.parametrize("status", [401, 429, 500, 529, CUT_OFF])
def test_while_claude_asks_again_it_says_until_when_and_when_the_api_answers_too(
    stage: Stage, status: int | None
) -> None:
    if stage.api and status is None:
        stage.api.drop(at_once=True)
    elif stage.api and status:
        stage.api.fail(status)
    stage.start(faults={"api_retry": {"attempts": 1, "error_status": status, "retry_delay_ms": 20}})
    delivery = stage.deliver(message(say("at last")))
    stage.wait_turn()
    assert stage.changes == ["starting", "working", "rate_limited", "working", "ready"]
    detail = stage.wait_state(SessionState.RATE_LIMITED).detail
    answer = f"the API answered {status}" if status else "the API can't be reached"
    assert re.fullmatch(GOES_ON + re.escape(answer) + r" \(\w+\); attempt 1", detail)
    assert stage.states(delivery) == ["written", "accepted", "started", "completed"]
    assert stage.told("at last") == 1


def test_an_answer_that_breaks_off_is_asked_for_again(stage: Stage) -> None:
    """Depending on where it broke off, claude keeps what was complete or asks for all of it again."""
    if stage.api:
        stage.api.drop(times=2)
    stage.start(faults={"api_retry": {"attempts": 2, "error_status": None, "retry_delay_ms": 20}})
    delivery = stage.deliver(message(say("at last")))
    assert stage.wait_turn().error is None
    assert stage.states(delivery) == ["written", "accepted", "started", "completed"]
    assert stage.told("at last") == 1


def test_a_retry_after_is_what_it_goes_by(stage: Stage) -> None:
    if stage.api:
        stage.api.fail(429, retry_after=1)
    stage.start(faults={"api_retry": {"attempts": 1, "error_status": 429, "retry_delay_ms": 1000}})
    stage.deliver(message(say("at last")))
    waiting = stage.wait_state(SessionState.RATE_LIMITED)
    assert re.match(GOES_ON + "the API answered 429", waiting.detail)
    stage.wait_turn()
    assert stage.told("at last") == 1


def test_an_api_that_hangs_is_asked_again(stage: Stage) -> None:
    stage.environment["API_TIMEOUT_MS"] = "1000"
    if stage.api:
        stage.api.stall()
    stage.start(faults={"api_retry": {"attempts": 1, "error_status": None, "retry_delay_ms": 20}})
    delivery = stage.deliver(message(say("at last")))
    assert "the API can't be reached" in stage.wait_state(SessionState.RATE_LIMITED).detail
    stage.wait_completed(delivery)
    stage.wait_turn()
    assert stage.told("at last") == 1


# ---------------------------------------------------------------- when that was of no use


@pytest.mark.parametrize("status", [429, 500, 529, CUT_OFF])
def test_a_turn_that_failed_goes_on_when_the_api_is_well_again(stage: Stage, status: int | None) -> None:
    fail(stage, status, times=2)
    delivery = stage.deliver(message(say("here it is")))
    # It says until when it waits, and the context counts as arrived: it is in the history
    stage.wait_completed(delivery)
    turn = stage.wait_turn()
    details = [change.detail for change in stage.of_state(SessionState.RATE_LIMITED)]
    answer = f"the API answered {status}: .*API Error.*{status}" if status else "API Error: "
    assert re.match(GOES_ON + answer, details[-1])
    assert turn.error is None
    assert stage.states(delivery)[-1] == "completed"
    assert stage.told("here it is") == 1
    assert stage.told("Your turn was stopped") == 1


def test_a_long_retry_after_ends_the_turn_at_once_and_it_goes_on_by_itself(stage: Stage) -> None:
    """Claude neither waits for hours nor reports them; the session continues the turn by itself."""
    if stage.api:
        stage.api.fail(429, retry_after=HOUR)
    stage.start(faults={"result_error": {"status": 429, "text": "API Error: Request rejected (429)"}})
    stage.deliver(message(say("here it is")))
    stage.wait_turn()
    assert stage.changes.count("rate_limited") == 1
    assert stage.told("here it is") == 1


def test_while_the_accounts_limit_is_reached_it_waits_for_its_end_unless_a_person_knows_better(
    scripted: Stage,
) -> None:
    text = "You've hit your session limit. Resets 3pm"
    fail(scripted, 429, times=1, text=text, limit_seconds=50 * HOUR)
    delivery = scripted.deliver(message(say("here it is")))
    detail = scripted.wait_state(SessionState.RATE_LIMITED).detail
    found = re.fullmatch(GOES_ON + "the API answered 429: " + re.escape(text), detail)
    assert found
    assert found[1], "two days on"
    assert scripted.record.all(TurnEnded) == []
    # When: more was bought, and the agent is unblocked.
    scripted.tell(Unblock())
    assert scripted.wait_turn().text == "here it is"
    assert scripted.states(delivery) == ["written", "accepted", "started", "completed"]
    assert scripted.told("Your turn was stopped") == 1


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (400, "messages: nonsense", "the API answered 400"),
        (400, NO_CREDIT, "redit balance is too low"),
        (401, "invalid x-api-key", "the API answered 401"),
        (403, "not allowed", "the API answered 403"),
        (404, "no such model", "the API answered 404"),
    ],
)
def test_where_waiting_does_not_help_the_agent_is_blocked_with_the_reason(
    stage: Stage, status: int, text: str, reason: str
) -> None:
    fail(stage, status, times=100, text=text)
    stage.deliver(message(say("in the end")))
    assert reason in stage.wait_state(SessionState.BLOCKED).detail
    assert stage.record.all(TurnEnded) == []
    # When a person has removed the reason
    if stage.api:
        stage.api.recover()
    stage.tell(Unblock())
    assert stage.wait_turn().error is None
    assert stage.told("in the end") == 1


def test_without_a_login_the_agent_is_blocked_and_says_so(stage: Stage) -> None:
    """Claude refuses without asking the API, and waiting wouldn't help."""
    text = "Not logged in \u00b7 Please run /login"
    stage.environment.pop("ANTHROPIC_API_KEY", None)
    stage.start(faults={"result_error": {"status": None, "error": "authentication_failed", "text": text}})
    delivery = stage.deliver(message(say("in the end")))
    assert stage.wait_state(SessionState.BLOCKED).detail == text
    stage.wait_completed(delivery)
    assert "rate_limited" not in stage.changes


# ---------------------------------------------------------------- what comes meanwhile


def test_a_message_that_comes_meanwhile_takes_the_failed_one_along(stage: Stage) -> None:
    stage.clock.draw = lambda _low, _high: HOUR
    fail(stage, 500, times=2)
    first = stage.deliver(message(say("first")))
    wait_failed(stage)
    second = stage.deliver(message(say("second")))
    stage.wait_completed(first, second)
    turn = stage.wait_turn()
    assert stage.record.all(TurnEnded) == [turn]
    assert [stage.told(text) for text in ("first", "second")] == [1, 1]
    assert stage.told("Your turn was stopped") == 0


def test_what_comes_while_the_agent_is_blocked_is_kept_and_told_once(stage: Stage) -> None:
    # Given: an agent that a wrong key has blocked.
    fail(stage, 401, times=100)
    first = stage.deliver(message(say("first")))
    stage.wait_state(SessionState.BLOCKED)
    # When: more comes, which claude takes in and the API refuses as well (the stand-in's is well by then).
    second = stage.deliver(message(say("second")))
    stage.wait_completed(first, second)
    if stage.api:
        stage.wait_state(SessionState.BLOCKED, 2)
        stage.api.recover()
        stage.tell(Unblock())
    # Then: in the end both are answered, and were told once.
    stage.wait_turn()
    assert [stage.told(text) for text in ("first", "second")] == [1, 1]


def test_a_message_that_comes_while_claude_asks_again_joins_the_queue(stage: Stage) -> None:
    if stage.api:
        stage.api.fail(529)
    stage.start(faults={"api_retry": {"attempts": 1, "error_status": 529, "retry_delay_ms": 300}})
    first = stage.deliver(message(say("first")))
    stage.wait_state(SessionState.RATE_LIMITED)
    second = stage.deliver(message(say("second")))
    stage.wait_step(second, DeliveryState.ACCEPTED)
    stage.wait_completed(first, second)
    stage.wait_turn()
    assert [stage.told(text) for text in ("first", "second")] == [1, 1]


def test_a_claude_that_dies_while_it_waits_for_the_api_goes_on_after_that(scripted: Stage) -> None:
    fail(scripted, 529, times=1)
    scripted.clock.draw = lambda low, _high: HOUR if low else 0.0
    delivery = scripted.deliver(message(say("here it is")))
    scripted.wait_state(SessionState.RATE_LIMITED)
    scripted.kill()
    assert scripted.wait_turn().text == "here it is"
    scripted.wait_completed(delivery)
    assert scripted.told("here it is") == 1


# ---------------------------------------------------------------- when more than claude dies meanwhile


def restart_all(stage: Stage) -> None:
    """Stop and start the session, as a restart of the coordinator does."""
    stage.close()
    stage.start(faults={})


def restart_actor(stage: Stage) -> None:
    """Make the session's actor fail."""
    stage.environment["SCRIPTED_CLAUDE_FAULTS"] = "{}"
    crash(stage.system, NAME, RuntimeError("drill"))


@pytest.mark.expected_errors("child_exited")
@pytest.mark.parametrize("restart", [restart_all, restart_actor])
def test_a_turn_that_waits_for_the_api_is_gone_on_with_by_the_next_incarnation_once(
    stage: Stage, restart: Callable[[Stage], None]
) -> None:
    # Given: a turn that has failed, and is to go on much later.
    stage.clock.draw = lambda low, _high: HOUR if low else 0.0
    fail(stage, 529, times=2)
    delivery = stage.deliver(message(say("here it is")))
    wait_failed(stage)
    last_word = MessageMoved(uuid=delivery, state=DeliveryState.COMPLETED, receipt="lifecycle:cancelled")
    stage.news.wait_for(StreamRead, lambda read: last_word in read.facts)
    # Then: its context isn't done, so the router still has it to give.
    stage.tell(RouterStarted())
    stage.record.wait_for(SessionReady, nth=2)
    assert delivery in stage.outstanding
    # When: all of it, or the actor alone, is started anew.
    restart(stage)
    # Then: the turn is continued at once, and only once.
    assert stage.wait_turn().error is None
    stage.wait_completed(delivery)
    assert stage.told("here it is") == stage.told("Your process was interrupted") == 1
    assert stage.told("Your turn was stopped") == 0
    # And: what has ended well isn't continued again.
    restart(stage)
    stage.deliver(message(say("next")))
    stage.wait_turn(2)
    assert stage.told("Your process was interrupted") == 1
