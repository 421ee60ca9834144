"""Tests of the play, the steps that a message makes a stand-in perform."""

from typing import Any

import pytest

from actors.scripted_claude.play import (
    BLOCKED,
    COMPLETE,
    Fault,
    Plan,
    Say,
    Sleep,
    Tool,
    steps_for,
    user_texts,
)

HEADER = "[coordinator delivery=4f1c kind={kind} subtask=A]\n"


def _message(kind: str, *lines: str) -> str:
    return HEADER.format(kind=kind) + "\n".join(lines)


@pytest.mark.parametrize("kind", ["task_ready", "dependency_completed", "reminder"])
def test_a_task_is_completed_by_itself_and_obviously_simulated(kind: str) -> None:
    said, tool, done = steps_for(_message(kind, "Do it.", "> Title: Design schema"))

    assert isinstance(tool, Tool)
    assert tool.name == COMPLETE
    assert tool.input["subtask_id"] == "A"
    assert tool.input["completion_summary"] == "(simulated) Done: Design schema"
    assert said == Say("(simulated) Working on: Design schema")
    assert done == Say("(simulated) Finished: Design schema")


@pytest.mark.parametrize("text", ["hello", _message("message", "hello")])
def test_anything_else_gets_one_line(text: str) -> None:
    assert steps_for(text) == [Say("(simulated) Understood.")]


@pytest.mark.parametrize(
    ("written", "step"),
    [
        ('{"say": "hi"}', Say("hi")),
        ('{"mark": "TASK_COMPLETE"}', Say("TASK_COMPLETE")),
        ('{"sleep": 0.5}', Sleep(0.5)),
        ('{"bash": "ls"}', Tool("Bash", {"command": "ls", "description": "Runs a step of the play"})),
        (
            '{"write": {"file_path": "/a", "content": "b"}}',
            Tool("Write", {"file_path": "/a", "content": "b"}),
        ),
        ('{"block": "why"}', Tool(BLOCKED, {"reason": "why", "subtask_id": "A"})),
        ('{"call": {"tool": "mcp__x__y", "input": {"z": 1}}}', Tool("mcp__x__y", {"z": 1})),
        ('{"error": {"status": 529}}', Fault("error", {"status": 529})),
        ('{"drop": true}', Fault("drop", {})),
    ],
)
def test_each_step(written: str, step: object) -> None:
    assert steps_for(_message("task_ready", f"> @play [{written}]")) == [step]


def test_what_is_given_to_complete_goes_before_what_is_filled_in() -> None:
    (tool,) = steps_for(_message("task_ready", '> @play [{"complete": {"completion_summary": "mine"}}]'))

    assert isinstance(tool, Tool)
    assert tool.input["completion_summary"] == "mine"
    assert tool.input["files_modified"] == []


@pytest.mark.parametrize(
    "play", ["[{]", '[{"nonsense": 1}]', '[{"say": "a", "sleep": 1}]', "[3]", '[{"sleep": "x"}]']
)
def test_a_play_that_cannot_be_read_says_so(play: str) -> None:
    (said,) = steps_for(_message("task_ready", f"> @play {play}"))

    assert isinstance(said, Say)
    assert said.text.startswith("(simulated) The play can't be read")


def test_each_message_of_several_is_played() -> None:
    text = _message("message", '> @play [{"say": "one"}]', HEADER.format(kind="message").strip(), "hello")

    assert steps_for(text) == [Say("one"), Say("(simulated) Understood.")]


def test_a_quoted_header_is_none() -> None:
    assert steps_for(_message("message", "> [coordinator delivery=x kind=task_ready subtask=B]")) == [
        Say("(simulated) Understood.")
    ]


def test_an_answer_ends_with_its_first_tool() -> None:
    plan = _plan(_user('@play [{"say": "a"}, {"bash": "ls"}, {"say": "b"}]'))

    assert [type(step) for step in plan.next_answer()] == [Say, Tool]
    assert plan.next_answer() == [Say("b")]


def test_the_history_tells_what_is_left() -> None:
    user = _user('@play [{"bash": "ls"}, {"say": "b"}]')

    assert _plan(user, _assistant("tool_use"), _results()).steps == [Say("b")]
    assert _plan(user, _assistant("tool_use"), _results(), _assistant("text")).steps == []


def test_what_comes_in_the_midst_of_a_turn_goes_first() -> None:
    framed = (
        "The user sent a new message while you were working:\nhello\n\nThis is how Claude Code surfaces it."
    )
    system = {"role": "system", "content": [{"type": "text", "text": framed}]}
    user = _user('@play [{"bash": "ls"}, {"say": "b"}]')

    plan = _plan(user, _assistant("tool_use"), _results(), system)

    assert plan.steps == [Say("(simulated) Understood."), Say("b")]


def test_an_interruption_ends_the_plan() -> None:
    plan = _plan(
        _user('@play [{"bash": "ls"}, {"say": "b"}]'), _user("[Request interrupted by user for tool use]")
    )

    assert plan.steps == []


def test_the_same_again_before_any_answer_is_one_request() -> None:
    assert _plan(_user('@play [{"say": "b"}]'), _user('@play [{"say": "b"}]')).steps == [Say("b")]


def test_what_claude_itself_puts_in_does_not_end_a_turn() -> None:
    filler = {"role": "assistant", "content": [{"type": "text", "text": "No response requested."}]}

    assert _plan(_user('@play [{"say": "b"}]'), filler).steps == [Say("b")]


def test_plays_in_results_and_reminders_are_ignored() -> None:
    reminder = _user('<system-reminder>\n@play [{"say": "x"}]\n</system-reminder>')

    assert list(user_texts(reminder)) == []
    assert list(user_texts(_results('@play [{"say": "x"}]'))) == []


def _plan(*messages: dict[str, Any]) -> Plan:
    return Plan.of_history(messages)


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _assistant(kind: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": kind}]}


def _results(content: str = "done") -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "content": content}]}
