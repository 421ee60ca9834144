"""Tests of messages that come during a turn, and of interruptions."""

from pathlib import Path

from tests.contract.harness import Claude
from tests.contract.messages import message, say, wait_for


def test_while_a_tool_runs_it_joins_the_turn(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")

    a = run.send(message(wait_for(gate), say("first done")))
    run.wait_tool()
    b = run.send(message(say("second")))
    run.wait_state(b, "queued")
    gate.touch()
    story = run.finish(a, b)

    assert story == [
        *["A queued", "A started", "init A", "replay A", "uses Bash", "B queued", "tool done"],
        *["replay B", "B started", "says second", "says first done"],
        *["B completed", "result AB completed", "A completed"],
    ]
    assert claude.told('{"say": "second"}') == 1


def test_what_joined_a_turn_has_no_user_line_in_the_transcript(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")

    a = run.send(message(wait_for(gate)))
    run.wait_tool()
    b = run.send(message(say("second")))
    run.wait_state(b, "queued")
    gate.touch()
    run.finish(a, b)

    lines = claude.transcript()
    assert a in {line.get("uuid") for line in lines}
    assert b not in {line.get("uuid") for line in lines}
    assert b in claude.known_ids(), "the attachment that holds it names it"


def test_while_the_model_speaks_it_gets_the_next_turn(claude: Claude) -> None:
    run = claude.start()

    a = run.send(message({"sleep": 0.5}, say("first")))
    run.wait_state(a, "started")
    b = run.send(message(say("second")))
    story = run.finish(a, b)

    after_a = story[story.index("result A completed") :]
    assert after_a == [
        *["result A completed", "A completed", "B started", "init B", "replay B", "says second"],
        *["result B completed", "B completed"],
    ]


def test_what_waits_together_for_the_end_of_a_turn_becomes_one_message(claude: Claude) -> None:
    run = claude.start()

    a = run.send(message({"sleep": 0.7}, say("first")))
    run.wait_state(a, "started")
    waiting = [run.send(message(say(each))) for each in ("two", "three", "four")]
    story = run.finish(a, *waiting)

    after_a = story[story.index("A completed") + 1 :]
    assert after_a == [
        *["echo B", "echo C", "B started", "C started", "D started", "init BCD", "replay D"],
        *["says two", "says three", "says four"],
        *["result BCD completed", "B completed", "C completed", "D completed"],
    ]
    (line,) = [each for each in claude.transcript() if each.get("uuid") == waiting[-1]]
    assert line["mergedSendUuids"] == waiting[:-1]
    texts = [message(say(each)) for each in ("two", "three", "four")]
    assert line["message"]["content"] == "\n".join(texts)
    assert [claude.told(each) for each in texts] == [1, 1, 1]


def test_of_what_became_one_message_all_but_the_last_run_again_when_they_are_sent_again(
    claude: Claude,
) -> None:
    run = claude.start()
    a = run.send(message({"sleep": 0.7}, say("first")))
    run.wait_state(a, "started")
    b, c = run.send(message(say("two"))), run.send(message(say("three")))
    run.finish(a, b, c)

    again = claude.start(resume=True)
    d = again.send(message(say("new")))
    again.wait_state(d, "completed")
    again.send(message(say("two")), b)
    again.wait_state(b, "completed")
    again.send(message(say("three")), c)
    story = again.finish(b, c)

    assert story.count("says two") == 1, "a hazard: the sender has to read the transcript"
    assert story[-2:] == ["echo B", "B completed"]


def test_interrupt_ends_the_tool_and_the_turn_and_the_next_goes_on(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")

    running = claude.cwd / "running"
    a = run.send(
        message({"bash": f"touch {running}; until [ -e {gate} ]; do sleep 0.05; done"}, say("never said"))
    )
    claude.look_until(running.exists)
    b = run.send(message(say("second")))
    run.wait_state(b, "queued")
    run.interrupt()
    reply = run.wait(lambda event: event["type"] == "control_response")
    story = run.finish(a, b)

    assert reply["response"] == {
        "subtype": "success",
        "request_id": "interrupt",
        "response": {"still_queued": [b]},
    }
    assert story[story.index("control_response") :] == [
        *["control_response", "tool failed", "[Request interrupted by user for tool use]"],
        *["result A aborted_tools", "A cancelled"],
        *["B started", "init B", "replay B", "says second", "result B completed", "B completed"],
    ]


def test_interrupt_just_as_a_tool_begins(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")

    a = run.send(message(wait_for(gate), say("never said")))
    run.wait_tool()
    run.interrupt()

    assert run.finish(a)[-2:] == ["result A aborted_tools", "A cancelled"]


def test_the_result_of_an_interrupted_turn_is_an_error(claude: Claude) -> None:
    run = claude.start()

    a = run.send(message(say("part"), {"sleep": 20}, say("never said")))
    run.wait(lambda event: event["type"] == "assistant")
    run.interrupt()
    result = run.wait_result()
    story = run.finish(a)

    assert (result["subtype"], result["is_error"]) == ("error_during_execution", True)
    assert "result" not in result
    assert story[-4:] == [
        "control_response",
        "[Request interrupted by user]",
        "result A aborted_streaming",
        "A cancelled",
    ]


def test_interrupt_when_idle_only_answers(claude: Claude) -> None:
    run = claude.start()
    a = run.send(message(say("hi")))
    run.wait_state(a, "completed")

    run.interrupt()
    reply = run.wait(lambda event: event["type"] == "control_response")

    assert reply["response"]["response"] == {"still_queued": []}
    assert run.finish(a)[-1] == "control_response"


def test_what_joined_an_interrupted_turn_is_cancelled_too(claude: Claude) -> None:
    run = claude.start("--allowedTools", "Bash")

    a = run.send(message({"bash": "sleep 0.3"}, {"sleep": 20}, say("never said")))
    run.wait_tool()
    b = run.send(message())
    run.wait_state(b, "started")
    run.interrupt()
    run.finish(a, b)

    assert (run.states(a)[-1], run.states(b)[-1]) == ("cancelled", "cancelled")
