"""Tests of resuming after a crash: a message runs once, except in two windows."""

from pathlib import Path

import pytest

from tests.contract.harness import Claude
from tests.contract.messages import message, say, wait_for


def test_a_completed_message_is_acknowledged_and_not_run(claude: Claude) -> None:
    text = message(say("one"))
    run = claude.start()
    a = run.send(text)
    run.wait_state(a, "completed")
    run.kill()

    again = claude.start(resume=True)
    again.send(text, a)

    assert again.finish(a) == ["echo A", "A completed"]
    assert claude.told(text) == 1


def test_a_queued_message_is_lost_and_runs_when_sent_again(claude: Claude, gate: Path) -> None:
    text = message(say("second"))
    run = claude.start("--allowedTools", "Bash")
    run.send(message(wait_for(gate)))
    run.wait_tool()
    b = run.send(text)
    run.wait_state(b, "queued")
    _wait_for_tool_line(claude)
    run.kill()
    assert b not in claude.known_ids()

    again = claude.start(resume=True)
    again.send(text, b)

    assert again.finish(b)[:3] == ["A queued", "A started", "init A"]
    assert claude.told('{"say": "second"}') == 1


def test_killed_while_the_model_thinks_it_would_run_again(claude: Claude) -> None:
    """The first window: therefore the transcript is read before anything is resent."""
    text = message({"sleep": 1}, say("one"))
    run = claude.start()
    a = run.send(text)
    claude.wait_for_transcript(a)
    run.kill()

    again = claude.start(resume=True)
    again.send(text, a)

    assert again.finish(a)[-3:] == ["says one", "result A completed", "A completed"]
    assert claude.told(text) == 2


def test_in_the_window_another_message_first_closes_it(claude: Claude) -> None:
    text = message({"sleep": 1}, say("one"))
    run = claude.start()
    a = run.send(text)
    claude.wait_for_transcript(a)
    run.kill()

    again = claude.start(resume=True)
    b = again.send("continue")
    again.wait_state(b, "completed")
    again.send(text, a)
    story = again.finish(b, a)

    assert story[-2:] == ["echo B", "B completed"]
    assert "says one" in story, "the work goes on where the crash left it"
    assert claude.told(text) == 1


def test_killed_while_a_tool_runs_it_is_acknowledged_and_not_run(claude: Claude, gate: Path) -> None:
    text = message(say("one"), wait_for(gate))
    run = claude.start("--allowedTools", "Bash")
    a = run.send(text)
    run.wait_tool()
    claude.wait_for_transcript(a)
    _wait_for_tool_line(claude)
    run.kill()

    again = claude.start(resume=True)
    again.send(text, a)

    assert again.finish(a) == ["echo A", "A completed"]
    assert claude.told(text) == 1


def test_continue_after_a_crash_tells_of_the_lost_tool(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")
    run.send(message(wait_for(gate), say("the rest")))
    run.wait_tool()
    _wait_for_tool_line(claude)
    run.kill()
    gate.touch()

    again = claude.start(resume=True)
    a = again.send("continue")
    story = again.finish(a)[2:]

    assert story == [
        "init A",
        "replay A",
        "says (simulated) Understood.",
        "says the rest",
        "result A completed",
        "A completed",
    ]
    results = [line for line in claude.transcript() if "Tool call interrupted" in str(line.get("message"))]
    assert len(results) == 1


def test_what_joined_a_turn_runs_again_after_a_crash(claude: Claude, gate: Path) -> None:
    """The second window: the attachment in the transcript is no user line, so claude forgets it."""
    text = message(say("second"))
    run = claude.start("--allowedTools", "Bash")
    run.send(message(wait_for(gate), {"sleep": 1.5}))
    run.wait_tool()
    b = run.send(text)
    run.wait_state(b, "queued")
    gate.touch()
    run.wait_state(b, "started")
    claude.wait_for_transcript(b)
    run.kill()

    again = claude.start(resume=True)
    again.send(text, b)
    story = again.finish(b)

    assert story[:3] == ["A queued", "A started", "init A"]


def test_resume_by_itself_says_and_asks_nothing(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")
    run.send(message(wait_for(gate)))
    run.wait_tool()
    _wait_for_tool_line(claude)
    run.kill()
    asked = len(claude.api.turns()) if claude.api else 0

    assert claude.start(resume=True).finish() == []
    assert (len(claude.api.turns()) if claude.api else 0) == asked


def test_killed_before_there_is_a_transcript_it_is_begun_again(claude: Claude) -> None:
    text = message(say("one"))
    env = {} if claude.is_real else {"SCRIPTED_CLAUDE_FAULTS": '{"crash_before_transcript": 1}'}
    run = claude.start(env=env)
    a = run.send(text)
    run.wait_state(a, "started")
    run.kill()
    if claude.is_real and claude.transcript():
        pytest.skip("it was written already: the real one's window is a few milliseconds")
    assert claude.transcript() == []

    refused = claude.start(resume=True)
    assert refused.wait_exit() == 1
    begun = claude.start()
    begun.send(text, a)

    assert begun.finish(a)[-1] == "A completed"
    assert claude.told(text) == 1


def _wait_for_tool_line(claude: Claude) -> None:
    """Wait until the answer that uses the tool is in the transcript."""
    claude.wait_for_transcript_line(lambda line: line["type"] == "assistant" and "tool_use" in str(line))
