"""Tests of hooks of the user's that stop a message on its way to the model."""

import json
from pathlib import Path

import pytest

from tests.contract.harness import Claude, Run
from tests.contract.messages import message, say


def test_at_its_start_it_tells_a_hook_where_the_transcript_is_and_asks_no_model(claude: Claude) -> None:
    run = claude.start()
    a = run.send(message(say("hi")))
    run.finish(a)
    told = claude.home / "told"
    settings = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": f"cat > {told}"}]}]}}

    again = claude.start("--settings", json.dumps(settings), resume=True)
    again.end_input()
    again.wait_exit()

    transcript = Path(json.loads(told.read_text())["transcript_path"])
    assert a in transcript.read_text(), "the transcript of this conversation"
    assert claude.told(message(say("hi"))) == 1
    init = run.wait(lambda event: event.get("subtype") == "init")
    assert Path(init["memory_paths"]["auto"]).parent == transcript.parent, "each turn names the folder too"


def start_refusing(claude: Claude, *, kept: bool) -> Run:
    mended = claude.home / "mended"
    if claude.is_real:
        answer = """echo '{"continue": false, "stopReason": "nope"}'""" if kept else "echo nope >&2; exit 2"
        hook = {"type": "command", "command": f"test -e {mended} || {{ {answer}; }}"}
        settings = claude.home / ".claude" / "settings.json"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}}))
        return claude.start()
    fault = {"refuse_prompt": {"reason": "nope", "kept": kept, "until": str(mended)}}
    return claude.start(env={"SCRIPTED_CLAUDE_FAULTS": json.dumps(fault)})


@pytest.mark.parametrize("kept", [False, True])
def test_a_life_cycle_is_no_delivery(claude: Claude, *, kept: bool) -> None:
    run = start_refusing(claude, kept=kept)

    a = run.send(message(say("never said")))
    story = run.finish(a)

    replayed = ["replay A"] if kept else []
    assert story == [
        *["A queued", "A started", "init A", "informational", *replayed],
        *["result A local", "A completed"],
    ]
    (outcome,) = [event["prompt_submit_outcome"] for event in run.events if "prompt_submit_outcome" in event]
    assert (outcome["reason"], outcome["prompt_kept"]) == ("nope", kept)
    assert run.wait_result()["num_turns"] == 0
    assert (a in claude.known_ids()) is kept, "the transcript has what was kept"


def test_the_same_process_does_not_take_a_refused_message_again(claude: Claude) -> None:
    run = start_refusing(claude, kept=False)

    text = message(say("at last"))
    a = run.send(text)
    run.wait_state(a, "completed")
    (claude.home / "mended").touch()
    run.send(text, a)
    story = run.finish(a)

    assert story[-1] == "echo A"
    assert claude.told(text) == 0
    again = claude.start(resume=True)
    again.send(text, a)
    assert again.finish(a)[-1] == "A completed"
    assert claude.told(text) == 1


@pytest.mark.parametrize("kept", [False, True])
def test_the_stand_in_refuses_as_long_as_a_file_says_so(scripted: Claude, *, kept: bool) -> None:
    order = scripted.home / "order"
    order.write_text(json.dumps({"reason": "not now", "kept": kept}))
    run = scripted.start(env={"SCRIPTED_CLAUDE_FAULTS": json.dumps({"refuse_as_told": str(order)})})

    a = run.send(message(say("refused")))
    run.wait_state(a, "completed")
    order.unlink()
    b = run.send(message(say("said")))
    run.wait_state(b, "completed")

    outcomes = [event["prompt_submit_outcome"] for event in run.events if "prompt_submit_outcome" in event]
    assert [(each["reason"], each["prompt_kept"]) for each in outcomes] == [("not now", kept)]
    assert "result said" in [f"result {event.get('result')}" for event in run.events]
