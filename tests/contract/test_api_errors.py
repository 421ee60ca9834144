"""Tests of failures of the API: retries are reported, a failed turn is cancelled, the session lives on."""

import json

import pytest

from tests.contract.harness import Claude
from tests.contract.messages import message, say


@pytest.mark.parametrize(
    ("status", "name"),
    [(500, "server_error"), (429, "rate_limit"), (529, "overloaded"), (None, "unknown")],
)
def test_a_retry_is_told_of_and_the_turn_goes_on(claude: Claude, status: int | None, name: str) -> None:
    run = claude.start_failing(status, retries=1, recovers=True)

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story == [
        *["A queued", "A started", "init A", f"api_retry {status}", "replay A", "says hi"],
        *["result A completed", "A completed"],
    ]
    retry = run.wait(lambda event: event.get("subtype") == "api_retry")
    assert (retry["attempt"], retry["max_retries"], retry["error"]) == (1, 1, name)
    assert retry["error_status"] == status
    assert retry["retry_delay_ms"] > 0


def test_a_retry_after_is_waited_for_and_a_bit_more(claude: Claude) -> None:
    if claude.api:
        claude.api.fail(429, retry_after=1)
    fault = {"api_retry": {"attempts": 1, "error_status": 429, "retry_delay_ms": 1100}}
    run = claude.start(env={"SCRIPTED_CLAUDE_FAULTS": json.dumps(fault)})

    a = run.send(message(say("hi")))

    retry = run.wait(lambda event: event.get("subtype") == "api_retry")
    assert 1000 <= retry["retry_delay_ms"] <= 1300
    assert run.finish(a)[-1] == "A completed"


def test_a_retry_after_of_hours_ends_the_turn_at_once_and_is_not_told(claude: Claude) -> None:
    if claude.api:
        claude.api.fail(429, retry_after=3600)
    fault = {"result_error": {"status": 429, "text": "API Error: Request rejected (429)"}}
    run = claude.start(env={"SCRIPTED_CLAUDE_FAULTS": json.dumps(fault)})

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story[3] == "replay A"
    assert story[-2:] == ["result A api_error", "A cancelled"]
    assert "3600" not in str(run.events)


def test_an_api_that_gives_no_answer_is_asked_again(claude: Claude) -> None:
    if claude.api:
        claude.api.stall()
    fault = {"api_retry": {"attempts": 1, "error_status": None, "retry_delay_ms": 50}}
    run = claude.start(env={"API_TIMEOUT_MS": "1000", "SCRIPTED_CLAUDE_FAULTS": json.dumps(fault)})

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story[3:6] == ["api_retry None", "replay A", "says hi"]


@pytest.mark.parametrize("status", [500, 401, None])
def test_when_retries_end_the_message_is_cancelled(claude: Claude, status: int | None) -> None:
    run = claude.start_failing(status, retries=1, recovers=False)

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story[3:5] == [f"api_retry {status}", "replay A"]
    assert "API Error" in story[5]
    assert story[6:] == ["result A api_error", "A cancelled"]
    result = run.wait_result()
    assert (result["subtype"], result["is_error"], result["api_error_status"]) == ("success", True, status)
    assert "API Error" in result["result"]
    said = run.wait(lambda event: event["type"] == "assistant")
    assert (said["message"]["model"], said["is_api_error_message"]) == ("<synthetic>", True)
    assert said["error"] == ("authentication_failed" if status == 401 else "server_error")


def test_without_a_login_it_refuses_by_itself(claude: Claude) -> None:
    fault = {"result_error": {"status": None, "error": "authentication_failed", "text": "Not logged in"}}
    run = claude.start(env={"ANTHROPIC_API_KEY": "", "SCRIPTED_CLAUDE_FAULTS": json.dumps(fault)})

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story[:3] == ["A queued", "A started", "init A"]
    assert story[-2:] == ["result A api_error", "A cancelled"]
    assert run.wait_result()["api_error_status"] is None
    said = run.wait(lambda event: event["type"] == "assistant")
    assert (said["error"], said["is_api_error_message"]) == ("authentication_failed", True)


def test_the_session_lives_on_and_the_next_message_takes_the_failed_one_along(claude: Claude) -> None:
    run = claude.start_failing(500, retries=1, recovers=False)
    text = message(say("first"))

    a = run.send(text)
    run.wait_state(a, "cancelled")
    b = run.send(message(say("second")))
    story = run.finish(a, b)

    assert story[-4:] == ["says second", "says first", "result B completed", "B completed"]
    assert claude.told(text) == 1


def test_sent_again_after_it_was_cancelled_it_is_not_run(claude: Claude) -> None:
    run = claude.start_failing(500, retries=1, recovers=False)
    text = message(say("first"))

    a = run.send(text)
    run.wait_state(a, "cancelled")
    run.send(text, a)
    story = run.finish(a)

    assert story[-2:] == ["A cancelled", "echo A"]
    assert claude.told(text) == 1
