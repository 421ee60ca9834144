"""Tests of work that outlasts its turn, and of claude's own word on whether a turn is running."""

from pathlib import Path

from tests.contract.harness import Claude, Event, Run
from tests.contract.messages import message, say

STATES = {"CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1"}


def start(claude: Claude) -> Run:
    return claude.start("--allowedTools", "Bash", env=STATES)


def in_background(gate: Path, *steps: dict[str, str]) -> str:
    wake = "\n> @wake [" + ", ".join(f'{{"say": "{each["say"]}"}}' for each in steps) + "]"
    return message({"background": f"until [ -e {gate} ]; do sleep 0.05; done"}, say("started")) + wake


def told(run: Run) -> list[str]:
    """Return what is told of states, tasks, turns and words, in order."""
    return [word for event in run.events if (word := word_of(event))]


def word_of(event: Event) -> str:
    match event.get("subtype"), event["type"]:
        case "session_state_changed", _:
            return str(event["state"])
        case "background_tasks_changed", _:
            return f"{len(event['tasks'])} tasks"
        case "init", _:
            return "turn"
        case _, "result":
            return f"result {event['result']}"
    return ""


def test_it_is_idle_while_a_command_runs_in_the_background_and_its_end_begins_a_turn(
    claude: Claude, gate: Path
) -> None:
    run = start(claude)

    a = run.send(in_background(gate, say("it has ended")))
    run.wait_state(a, "completed")
    run.wait(lambda event: event.get("state") == "idle")
    gate.touch()
    run.wait(lambda event: event.get("state") == "idle", 2)

    assert told(run) == [
        *["running", "turn", "1 tasks", "result started", "idle"],
        *["0 tasks", "running", "turn", "result it has ended", "idle"],
    ]
    assert run.states(a) == ["queued", "started", "completed"], (
        "the turn that began by itself has no receipts"
    )


def test_between_a_turn_and_the_one_that_follows_by_itself_it_is_not_idle(claude: Claude, gate: Path) -> None:
    run = start(claude)
    gate.touch()

    a = run.send(
        message({"background": "sleep 0.2"}, {"sleep": 1.0}, say("slow"))
        + '\n> @wake [{"say": "it has ended"}]'
    )
    run.wait_state(a, "completed")
    run.wait(lambda event: event.get("state") == "idle")

    assert told(run) == [
        *["running", "turn", "1 tasks", "0 tasks", "result slow", "turn", "result it has ended", "idle"],
    ]


def test_a_message_that_waits_is_not_joined_with_the_end_of_a_command(claude: Claude, gate: Path) -> None:
    run = start(claude)
    a = run.send(in_background(gate, say("it has ended")))
    run.wait_state(a, "completed")

    b = run.send(message({"sleep": 1.5}, say("slow")))
    run.wait_state(b, "started")
    c = run.send(message(say("c")))
    run.wait_state(c, "queued")
    gate.touch()
    run.wait_state(c, "completed")
    run.wait(lambda event: event.get("result") == "it has ended")

    assert {"result slow", "result c", "result it has ended"} <= set(told(run))
