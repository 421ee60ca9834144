"""Tests of the readers of an agent's words and actions in claude's stream."""

import json
from typing import Any

import pytest

from actors.protocol.feed import Activity, Cost, Said, ToolReturned, ToolUsed, WentWrong
from actors.session.drive import Acted, Answering, ApiFailed, Fact, TurnOver
from actors.session.drives.stream.activity import (
    LONGEST_INPUT,
    LONGEST_NAME,
    LONGEST_RESULT,
    LONGEST_TEXT,
    MOST,
)
from actors.session.drives.stream.parse import StreamParser


def facts(**fields: Any) -> tuple[Fact, ...]:
    return StreamParser().parse(json.dumps(fields).encode())


def acted(*activities: Activity) -> Acted:
    return Acted(activities=activities)


def content(*blocks: object) -> dict[str, Any]:
    return {"message": {"content": list(blocks)}}


def test_texts_and_uses_of_tools_in_their_order_beside_the_fact_that_the_model_answers() -> None:
    blocks = (
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "é", "n": [1, 2]}},
    )
    assert facts(type="assistant", **content(*blocks)) == (
        Answering(),
        acted(Said(text="I look."), ToolUsed(tool="Read", use_id="t1", input='{"path":"é","n":[1,2]}')),
    )


def test_lines_of_subagents_count_and_are_answers_as_ever() -> None:
    line = content({"type": "text", "text": "found"}) | {"parent_tool_use_id": "t1"}
    assert facts(type="assistant", **line) == (Answering(), acted(Said(text="found")))


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        ("42", "42"),
        (
            [{"type": "text", "text": "a"}, {"type": "image", "source": {}}, {"type": "text", "text": "b"}],
            "a\n(image)\nb",
        ),
        (None, ""),
        ([5], "5"),
    ],
)
def test_what_a_tool_has_returned(returned: object, result: str) -> None:
    block = {"type": "tool_result", "tool_use_id": "t1", "content": returned}
    assert facts(type="user", **content(block)) == (acted(ToolReturned(use_id="t1", result=result)),)
    failed = facts(type="user", **content(block | {"is_error": True}))
    assert failed == (acted(ToolReturned(use_id="t1", result=result, is_error=True)),)


def test_what_the_model_is_told_is_none_of_its_words() -> None:
    told = content({"type": "text", "text": "hello"})
    assert facts(type="user", uuid="u", isReplay=True, **told) == ()
    assert facts(type="user", uuid="u", isReplay=True, message={"content": "hello"}) == ()
    assert facts(type="user", **told) == ()


def test_an_error_of_the_apis_is_told_with_the_models_line_and_not_once_more_at_the_turns_end() -> None:
    line = content({"type": "text", "text": "API Error: 500"}) | {
        "is_api_error_message": True,
        "error": "server_error",
    }
    assert facts(type="assistant", **line) == (
        ApiFailed(kind="server_error"),
        acted(WentWrong(text="API Error: 500")),
    )
    end = {"is_error": True, "terminal_reason": "api_error", "result": "API Error: 500", "total_cost_usd": 1}
    over = TurnOver(error="API Error: 500", by_api=True, cost_usd=1.0)
    assert facts(type="result", **end) == (over, acted(Cost(usd=1.0)))


def test_another_end_of_a_turn_says_what_went_wrong() -> None:
    end = {"is_error": True, "terminal_reason": "aborted_tools", "errors": ["[ede] interrupted"]}
    over, told = facts(type="result", **end)
    assert isinstance(over, TurnOver)
    assert told == acted(WentWrong(text="[ede] interrupted"))


def test_all_of_it_is_bounded() -> None:
    long = "x" * 100_000
    use = {"type": "tool_use", "id": long, "name": long, "input": {"all": long}}
    _, told = facts(type="assistant", **content({"type": "text", "text": long}, use, *[use] * 2 * MOST))
    assert isinstance(told, Acted)
    assert len(told.activities) == MOST
    text, used = told.activities[:2]
    assert isinstance(text, Said)
    assert text.text == "x" * LONGEST_TEXT
    assert isinstance(used, ToolUsed)
    assert [len(each) for each in (used.tool, used.use_id, used.input)] == [
        LONGEST_NAME,
        LONGEST_NAME,
        LONGEST_INPUT,
    ]
    block = {"type": "tool_result", "tool_use_id": long, "content": [{"type": "text", "text": long}]}
    (returned,) = facts(type="user", **content(block))
    assert returned == acted(ToolReturned(use_id="x" * LONGEST_NAME, result="x" * LONGEST_RESULT))


@pytest.mark.parametrize(
    "fields", [{}, {"message": 5}, {"message": {"content": "text"}}, content(5, None, [])]
)
def test_a_line_without_any_says_none(fields: dict[str, Any]) -> None:
    assert facts(type="assistant", **fields) == (Answering(),)
    assert facts(type="user", **fields) == ()


def test_no_input_is_too_deep() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    _, told = facts(type="assistant", **content({"type": "tool_use", "id": "t", "name": "n", "input": deep}))
    assert isinstance(told, Acted)
