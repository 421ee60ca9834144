"""Tests of receipts and their order; a message runs once, however often it is resent."""

from pathlib import Path

from tests.contract.harness import Claude
from tests.contract.messages import message, say, wait_for


def test_one_message_in_order(claude: Claude) -> None:
    run = claude.start()

    a = run.send(message(say("Looking"), {"bash": "echo hello"}, {"mark": "DONE"}))

    assert run.finish(a) == [
        "A queued",
        "A started",
        "init A",
        "replay A",
        "says Looking",
        "uses Bash",
        "tool done",
        "says DONE",
        "result A completed",
        "A completed",
    ]


def test_nothing_is_said_before_the_first_message(claude: Claude) -> None:
    run = claude.start()

    assert run.finish() == []


def test_two_at_once_are_two_turns_in_order(claude: Claude) -> None:
    run = claude.start()

    a, b = run.send(message(say("first"))), run.send(message(say("second")))
    story = run.finish(a, b)

    assert run.states(a) == run.states(b) == ["queued", "started", "completed"]
    story.remove("B queued")  # comes whenever it has been read
    assert story == [
        *["A queued", "A started", "init A", "replay A", "says first", "result A completed", "A completed"],
        *["B started", "init B", "replay B", "says second", "result B completed", "B completed"],
    ]


def test_the_result_has_what_was_said_and_what_it_cost(claude: Claude) -> None:
    run = claude.start()

    first = run.send(message(say("one")))
    run.wait_state(first, "completed")
    second = run.send(message(say("two")))
    run.finish(first, second)

    results = [run.wait_result(1), run.wait_result(2)]
    assert [result["result"] for result in results] == ["one", "two"]
    assert [result["subtype"] for result in results] == ["success", "success"]
    assert not any(result["is_error"] for result in results)
    assert all(result["usage"]["output_tokens"] > 0 for result in results)
    assert 0 < results[0]["total_cost_usd"] < results[1]["total_cost_usd"], (
        "the cost adds up over the process"
    )


def test_sent_again_in_the_midst_of_its_turn_it_is_echoed_and_not_run(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")
    text = message(wait_for(gate), say("done"))

    a = run.send(text)
    run.wait_tool()
    run.send(text, a)
    run.wait(lambda event: bool(event.get("isReplay")) and "timestamp" not in event)
    gate.touch()
    story = run.finish(a)

    assert run.states(a) == ["queued", "started", "completed"]
    assert story.count("echo A") == 1
    assert claude.told(text) == 1


def test_sent_again_after_its_turn_it_is_echoed_and_not_run(claude: Claude) -> None:
    run = claude.start()
    text = message(say("one"))

    a = run.send(text)
    run.wait_state(a, "completed")
    run.send(text, a)
    story = run.finish(a)

    assert story[-2:] == ["A completed", "echo A"], "no further receipt comes for it"
    assert claude.told(text) == 1


def test_sent_again_while_it_waits_it_is_swallowed(claude: Claude) -> None:
    run = claude.start("--allowedTools", "Bash")
    text = message(say("second"))

    a = run.send(message({"sleep": 0.3}, say("first")))
    run.wait_state(a, "queued")
    b = run.send(text)
    run.send(text, b)
    story = run.finish(a, b)

    assert run.states(b) == ["queued", "started", "completed"]
    assert "echo B" not in story
    assert claude.told(text) == 1


def test_a_message_without_an_id_gets_no_receipt(claude: Claude) -> None:
    run = claude.start()

    run.write({"type": "user", "message": {"role": "user", "content": message(say("hi"))}})
    run.wait_result()
    run.end_input()
    run.wait_exit()

    assert run.story() == ["init ", "replay ?", "says hi", "result  completed"]


def test_an_unknown_kind_of_input_is_ignored(claude: Claude) -> None:
    run = claude.start()

    run.write({"type": "nonsense"})
    a = run.send(message(say("hi")))

    assert run.finish(a)[-1] == "A completed"
