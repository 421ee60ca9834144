"""Tests of conversations as such: where their history lies, whether it is still there, and new ones."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from actors.protocol.sessions import ConversationBegan, Restart, SessionState
from tests.actors.session.stage import Stage
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate


def elsewhere(stage: Stage, path: Path, config: str) -> None:
    """Wrap claude, so that its files aren't where the coordinator's own environment says."""
    program = " ".join(f"'{word}'" for word in stage.options["command"])
    path.write_text(f'#!/bin/sh\nexport CLAUDE_CONFIG_DIR={config}\nexec {program} "$@"\n')
    path.chmod(0o755)
    stage.options["command"] = (str(path),)


@pytest.mark.parametrize("config", ["$HOME/.claude-work", "claude-files", "'~/claude-files'"])
def test_claude_says_where_its_history_is(stage: Stage, tmp_path: Path, gate: Path, config: str) -> None:
    elsewhere(stage, tmp_path / "claude", config)
    stage.start()
    texts = [message(say("one")), message(wait_for_gate(gate), say("two"))]
    stage.wait_completed(stage.deliver(texts[0]))
    second = stage.deliver(texts[1])
    stage.wait_tool()
    # When claude dies, then it goes on in its conversation, and nothing is told twice
    gate.touch()
    stage.crash()
    stage.wait_completed(second)
    assert "resuming" in stage.changes
    assert "blocked" not in stage.changes
    assert [stage.told(text) for text in texts] == [1, 1]


def test_where_the_place_of_the_history_was_never_noted_claude_is_asked(stage: Stage, tmp_path: Path) -> None:
    elsewhere(stage, tmp_path / "claude", "$HOME/.claude-work")
    stage.start()
    text = message(say("one"))
    stage.wait_completed(stage.deliver(text))
    # Given what a coordinator leaves that was killed before it could note anything
    (stage.files / f"{stage.session_id}.transcript").unlink()
    stage.stop()
    stage.restart_actor()
    # When there is more to do, then claude refuses to begin the conversation anew, and is resumed
    second = stage.deliver(message(say("two")))
    stage.wait_completed(second)
    assert [stage.told(each) for each in ('"one"', '"two"')] == [1, 1]
    assert stage.changes.count("crashed") == 1
    assert "blocked" not in stage.changes


def test_a_history_that_was_cleaned_away_begins_the_conversation_anew_and_says_so(stage: Stage) -> None:
    stage.start()
    stage.wait_completed(stage.deliver(message(say("one"))))
    assert len(stage.record.all(ConversationBegan)) == 1
    shutil.rmtree(Path(stage.environment["HOME"]) / ".claude" / "projects")
    stage.crash()
    began = stage.record.wait_for(ConversationBegan, nth=2)
    assert began.session_id == stage.session_id
    stage.wait_completed(stage.deliver(message(say("two"))))


def test_a_new_conversation_takes_with_it_what_is_not_over(stage: Stage, gate: Path) -> None:
    stage.start()
    text = message(wait_for_gate(gate), say("at last"))
    delivery = stage.deliver(text)
    stage.wait_tool()
    before, gone = stage.pid, stage.session_id
    # When the router names another conversation, as a person has asked for
    stage.session_id = str(uuid4())
    gate.touch()
    stage.give(stage.system)
    # Then the old process has ended in order, and the whole context arrives in the new one
    stage.wait_completed(delivery)
    assert stage.wait_turn().text == "at last"
    assert stage.pid != before
    assert stage.session_id != gone
    assert "crashed" not in stage.changes
    assert stage.told(text) == 1


def test_a_restart_keeps_the_conversation_and_starts_claude_when_there_is_something_to_do(
    stage: Stage, gate: Path
) -> None:
    stage.start()
    delivery = stage.deliver(message(wait_for_gate(gate), say("the rest")))
    stage.wait_tool()
    before = stage.pid
    gate.touch()
    stage.tell(Restart())
    stage.wait_completed(delivery)
    assert stage.pid != before
    assert "resuming" in stage.changes
    assert "crashed" not in stage.changes
    assert stage.told("the rest") == 1


def test_a_conversation_that_the_api_refuses_is_told_to_be_spoiled(stage: Stage) -> None:
    text = "prompt is too long: 214000 tokens > 200000 maximum"
    if stage.api:
        stage.api.fail(400, times=100, message=text)
    stage.start(
        faults={"result_error": {"status": 400, "text": f"API Error: 400 {text}", "error": "invalid_request"}}
    )
    delivery = stage.deliver(message(say("never")))
    blocked = stage.wait_state(SessionState.BLOCKED)
    assert blocked.is_spoiled
    assert "too long" in blocked.detail
    # When it is given another conversation, then the same context arrives there
    if stage.api:
        stage.api.recover()
    stage.environment["SCRIPTED_CLAUDE_FAULTS"] = "{}"
    stage.session_id = str(uuid4())
    stage.outstanding[delivery] = stage.given[delivery]
    stage.give(stage.system)
    assert stage.wait_turn().text == "never"
    assert stage.told("never") == 1
