"""The agents' tools, called by the SDK's client: who speaks, what the router is told, what comes back."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from actors.gateway.tools import TOOLS, CompleteSubtask
from actors.protocol.names import GATEWAY
from actors.protocol.reports import (
    Answer,
    Completion,
    DescribeSubtask,
    Report,
    ReportBlocked,
    ReportCompletion,
    SendMessage,
    ShareKnowledge,
)
from supervisors.drill import crash
from tests.actors.gateway.agent import call, run, session, texts
from tests.actors.gateway.conftest import Gateway

KIB = 1024
DONE = {"completion_summary": "Done."}


# ---------------------------------------------------------------- what the router is told


@pytest.mark.parametrize(
    ("tool", "arguments", "report"),
    [
        (
            "complete_subtask",
            {
                "completion_summary": "Schema in db/schema.sql. 😀",
                "insights_found": ["Ids are UUIDs."],
                "files_modified": ["db/schema.sql"],
                "subtask_id": "A-1",
            },
            ReportCompletion(
                agent="coder",
                way="gateway",
                completion=Completion(
                    summary="Schema in db/schema.sql. 😀",
                    insights=("Ids are UUIDs.",),
                    files=("db/schema.sql",),
                ),
                subtask_id="A-1",
            ),
        ),
        (
            "complete_subtask",
            DONE,
            ReportCompletion(agent="coder", way="gateway", completion=Completion(summary="Done.")),
        ),
        (
            "report_blocked",
            {"reason": "Which database?"},
            ReportBlocked(agent="coder", way="gateway", reason="Which database?"),
        ),
        (
            "send_message",
            {"agent": "tester", "message": "The port is 8001."},
            SendMessage(agent="tester", text="The port is 8001.", sender="coder", source="agent"),
        ),
        (
            "share_knowledge",
            {"topic": "build", "text": "make all"},
            ShareKnowledge(agent="coder", topic="build", text="make all"),
        ),
        ("my_subtask", {}, DescribeSubtask(agent="coder")),
    ],
)
def test_each_tool_reaches_the_router(
    tool: str, arguments: dict[str, Any], report: Report, gateway: Gateway
) -> None:
    result = call(gateway, tool, arguments)
    assert not result.is_error
    assert texts(result) == ["Recorded."]
    assert gateway.office.last == report
    assert len(gateway.office.reports) == 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"insights_found": '["a", "b"]'}, Completion(summary="Done.", insights=("a", "b"))),
        ({"insights_found": "one"}, Completion(summary="Done.", insights=("one",))),
        ({"insights_found": None, "files_modified": ""}, Completion(summary="Done.")),
        ({"subtask_id": "", "mood": "fine"}, Completion(summary="Done.")),
    ],
)
def test_what_a_model_means_is_understood(said: dict[str, Any], meant: Completion, gateway: Gateway) -> None:
    assert not call(gateway, "complete_subtask", DONE | said).is_error
    assert gateway.office.last == ReportCompletion(agent="coder", way="gateway", completion=meant)


def test_an_agent_speaks_for_itself_only(gateway: Gateway) -> None:
    call(gateway, "complete_subtask", DONE | {"agent": "somebody-else"}, agent="coder")
    assert gateway.office.last == ReportCompletion(
        agent="coder", way="gateway", completion=Completion(summary="Done.")
    )


def test_two_sessions_at_once(gateway: Gateway) -> None:
    async def work() -> None:
        async with session(gateway, "one") as one, session(gateway, "two") as two:
            calls = [client.call_tool("my_subtask", {}) for client in (one, two) for _ in range(10)]
            results = await asyncio.gather(*calls)
            # Each gets the answer to its own question.
            assert [texts(result) for result in results] == [["one"]] * 10 + [["two"]] * 10

    def name_the_asker(report: Report) -> Answer:
        assert isinstance(report, DescribeSubtask)
        return Answer(ok=True, text=report.agent)

    gateway.office.script = name_the_asker
    run(work())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_both_protocols(mode: str, gateway: Gateway) -> None:
    async def work() -> None:
        async with session(gateway, "coder", mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == list(TOOLS)
            assert not (await client.call_tool("complete_subtask", DONE)).is_error

    run(work())


# ---------------------------------------------------------------- what comes back


def test_a_refusal_is_a_tool_error(gateway: Gateway) -> None:
    gateway.office.script = lambda _report: Answer(ok=False, text="You have no subtask in hand.")
    result = call(gateway, "complete_subtask", DONE)
    assert result.is_error
    assert texts(result) == ["You have no subtask in hand."]


def test_data_comes_after_the_text(gateway: Gateway) -> None:
    data = {"id": "A", "upstream": [{"summary": "größer"}]}
    gateway.office.script = lambda _report: Answer(ok=True, text="In hand: A", data=data)
    text, more = texts(call(gateway, "my_subtask"))
    assert text == "In hand: A"
    assert json.loads(more) == data
    assert "größer" in more


def test_the_answer_is_awaited(gateway: Gateway) -> None:
    async def work() -> None:
        async with session(gateway, "coder") as client:
            answer = asyncio.create_task(client.call_tool("complete_subtask", DONE))
            [report] = await asyncio.to_thread(gateway.office.wait_for, 1)
            # As long as the router hasn't committed, the agent knows nothing.
            assert not answer.done()
            assert report.reply is not None
            report.reply.set_result(Answer(ok=True, text="Committed."))
            assert texts(await answer) == ["Committed."]

    gateway.office.script = lambda _report: None
    run(work())


@pytest.mark.parametrize(
    ("tool", "arguments", "advice"),
    [
        ("complete_subtask", DONE, "nothing is counted twice"),
        ("send_message", {"agent": "tester", "message": "hello"}, "may then arrive twice"),
    ],
)
def test_a_silent_router(
    tool: str, arguments: dict[str, Any], advice: str, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway(reply_seconds=0.05)
    gateway.office.script = lambda _report: None
    result = call(gateway, tool, arguments)
    assert result.is_error
    [text] = texts(result)
    assert "did not answer within 0.05 s" in text
    assert "isn't known whether" in text
    assert "Call it again with the same arguments" in text
    assert advice in text
    # A router that is late answers into the void, without harm.
    [report] = gateway.office.wait_for(1)
    assert report.reply is not None
    report.reply.set_result(Answer(ok=True, text="late"))


def test_a_question_without_an_answer_is_asked_again(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway(reply_seconds=0.05)
    gateway.office.script = lambda _report: None
    assert texts(call(gateway, "my_subtask")) == [
        "No answer (the router did not answer within 0.05 s). Call my_subtask again."
    ]


@pytest.mark.expected_errors("child_exited")
def test_a_call_during_a_crash_is_told_what_to_do(start_gateway: Callable[..., Gateway]) -> None:
    async def work() -> None:
        async with session(gateway, "coder") as client:
            answer = asyncio.create_task(client.call_tool("complete_subtask", DONE))
            await asyncio.to_thread(gateway.office.wait_for, 1)
            crash(gateway.system, GATEWAY, RuntimeError("drill"))
            [text] = texts(await answer)
            assert "stopped before the router answered" in text
            assert "Call it again" in text

    gateway = start_gateway()
    gateway.office.script = lambda _report: None
    run(work())


@pytest.mark.expected_errors("child_exited")
def test_a_session_survives_a_crash_of_the_gateway(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway()

    async def work() -> None:
        async with session(gateway, "coder") as client:
            assert not (await client.call_tool("my_subtask", {})).is_error
            crash(gateway.system, GATEWAY, RuntimeError("drill"))
            await asyncio.to_thread(gateway.wait_for_exit)
            assert not (await client.call_tool("my_subtask", {})).is_error

    run(work())
    assert len(gateway.office.reports) == 2


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("complete_subtask", {}, "completion_summary: Field required"),
        ("complete_subtask", {"completion_summary": " \n"}, "completion_summary: must not be empty"),
        ("complete_subtask", {"completion_summary": 5}, "completion_summary: Input should be a valid string"),
        (
            "complete_subtask",
            {"completion_summary": "ä" * (128 * KIB) + "x"},
            f"completion_summary: is {256 * KIB + 1} bytes long, but at most {256 * KIB} are accepted",
        ),
        (
            "complete_subtask",
            DONE | {"insights_found": [["a"]]},
            "insights_found.0: Input should be a valid string",
        ),
        (
            "complete_subtask",
            DONE | {"insights_found": ["a"] * 201},
            "insights_found: Tuple should have at most 200",
        ),
        ("complete_subtask", DONE | {"files_modified": ["x" * 4097]}, "files_modified.0: is 4097 bytes long"),
        ("complete_subtask", DONE | {"subtask_id": "a\nb"}, "subtask_id: must be printable"),
        ("report_blocked", {"reason": ""}, "reason: must not be empty"),
        ("send_message", {"agent": "../tester", "message": "hello"}, "agent: String should match pattern"),
        (
            "send_message",
            {"agent": "tester", "message": "x" * (64 * KIB + 1)},
            "message: is 65537 bytes long",
        ),
        ("share_knowledge", {"topic": "x" * 5000, "text": "y"}, "topic: is 5000 bytes long"),
        ("no_such_tool", {}, "There is no tool 'no_such_tool'. There are: complete_subtask, report_blocked,"),
    ],
)
def test_wrong_arguments_are_a_tool_error(
    tool: str, arguments: dict[str, Any], reason: str, gateway: Gateway
) -> None:
    result = call(gateway, tool, arguments)
    assert result.is_error
    [text] = texts(result)
    assert reason in text
    assert len(text) < 400  # what was sent isn't sent back
    assert gateway.office.reports == []


def test_the_longest_summary(gateway: Gateway) -> None:
    summary = "x" * (256 * KIB)
    assert not call(gateway, "complete_subtask", {"completion_summary": summary}).is_error
    assert gateway.office.last == ReportCompletion(
        agent="coder", way="gateway", completion=Completion(summary=summary)
    )


def test_an_at_sign_before_an_agents_name_is_taken_off(gateway: Gateway) -> None:
    assert not call(gateway, "send_message", {"agent": "@tester", "message": "hello"}).is_error
    last = gateway.office.last
    assert isinstance(last, SendMessage)
    assert last.agent == "tester"


def test_lone_surrogates_are_replaced() -> None:
    body = r'{"completion_summary": "a\ud800b \ud83d\ude00 \udc00"}'
    assert CompleteSubtask.model_validate(json.loads(body)).completion_summary == "a?b 😀 ?"


def test_each_tool_says_what_it_is_for() -> None:
    for name, tool in TOOLS.items():
        described = tool.describe()
        assert described.name == name
        assert len(described.description or "") > 100
        for argument, schema in described.input_schema["properties"].items():
            assert schema["description"], (name, argument)
    properties = CompleteSubtask.describe().input_schema["properties"]
    assert properties["insights_found"]["maxItems"] == 200
