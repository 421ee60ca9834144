"""When the API fails: retries are told of, a turn that failed is cancelled, the session lives on."""

import pytest

from tests.contract.harness import Claude
from tests.contract.messages import message, say


@pytest.mark.parametrize(
    ("status", "name"), [(500, "server_error"), (429, "rate_limit"), (529, "overloaded")]
)
def test_a_retry_is_told_of_and_the_turn_goes_on(claude: Claude, status: int, name: str) -> None:
    run = claude.start_failing(status, retries=1, recovers=True)

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story == [
        *["A queued", "A started", "init A", f"api_retry {status}", "replay A", "says hi"],
        *["result A completed", "A completed"],
    ]
    retry = run.wait(lambda event: event.get("subtype") == "api_retry")
    assert (retry["attempt"], retry["max_retries"], retry["error"]) == (1, 1, name)
    assert retry["retry_delay_ms"] > 0


@pytest.mark.parametrize("status", [500, 401])
def test_when_retries_end_the_message_is_cancelled(claude: Claude, status: int) -> None:
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
