"""Tests of the MCP interface, with the SDK's own client over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client

from tests.backend.conftest import DEADLINE, HEADERS, Running


@asynccontextmanager
async def connected(running: Running, mode: ConnectMode = "auto") -> AsyncIterator[Client]:
    with anyio.fail_after(DEADLINE):
        async with httpx2.AsyncClient(headers=HEADERS, timeout=DEADLINE, trust_env=False) as http:
            transport = streamable_http_client(f"{running.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


async def refusal(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text  # type: ignore[union-attr]  # a refusal is text


def test_a_workflow_is_worked_through_with_tools(running: Running) -> None:
    listener = running.socket()
    listener.subscribe()

    async def work() -> None:
        async with connected(running) as client:
            task = await call(
                client,
                "create_task",
                title="Build",
                project="p",
                subtasks=[
                    {"key": "a", "title": "Design", "assignees": ["@architect-agent"]},
                    {"title": "Code", "depends_on": ["a"]},
                ],
            )
            first, second = task["subtasks"]
            assert second["dependencies"] == [first["id"]]
            third = await call(
                client, "create_subtask", task_id=task["id"], title="Test", depends_on=[second["id"]]
            )
            await call(client, "update_subtask", subtask_id=third["id"], status="cancelled")
            for each in (first, second):
                done = await call(
                    client, "complete_subtask", subtask_id=each["id"], completion_summary=each["title"]
                )
                assert done["status"] == "done"
            assert (await call(client, "get_task", task_id=task["id"]))["status"] == "done"
            listed = await call(client, "list_tasks", project="p", status="done")
            assert [each["id"] for each in listed["tasks"]] == [task["id"]]
            page = await call(client, "list_subtasks", task_id=task["id"], limit=2)
            assert (len(page["subtasks"]), page["next_offset"]) == (2, 2)

    anyio.run(work)
    kinds = [event["event_type"] for event in listener.hear_all(8)]
    assert kinds[-4:] == ["subtask.updated", "subtask.completed", "subtask.completed", "task.completed"]


def test_a_refusal_tells_the_model_what_to_do(running: Running) -> None:
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}])

    async def try_out() -> None:
        async with connected(running) as client:
            assert "there is no subtask 'nope' [unknown_subtask]" in await refusal(
                client, "complete_subtask", subtask_id="nope", completion_summary="s"
            )
            assert "A → T → A" in await refusal(client, "update_subtask", subtask_id="A", depends_on=["T"])
            assert "unknown dependencies: x [unknown_dependency]" in await refusal(
                client, "create_subtask", task_id="T", title="t", depends_on=["x"]
            )
            assert "status" in await refusal(client, "update_subtask", subtask_id="A", status="fine")

    anyio.run(try_out)
    assert running.http.get("/healthz").json()["last_seq"] == 2


def test_every_tool_says_what_it_is_for_and_what_it_answers(running: Running) -> None:
    async def look() -> None:
        async with connected(running) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert sorted(tools) == [
                "complete_subtask",
                "create_subtask",
                "create_task",
                "delete_subtask",
                "delete_task",
                "get_subtask",
                "get_task",
                "list_agents",
                "list_subtasks",
                "list_tasks",
                "send_message",
                "update_subtask",
                "update_task",
            ]
            assert all(tool.description and tool.output_schema for tool in tools.values())
            subtask = tools["create_task"].input_schema["$defs"]["NewSubtask"]["properties"]
            assert {"key", "title", "assignees", "depends_on"} <= set(subtask)

    anyio.run(look)


async def made(client: Client, **arguments: object) -> dict[str, Any]:
    """Create a subtask of the task T."""
    return await call(client, "create_subtask", task_id="T", title="t", **arguments)


def test_an_unknown_argument_is_refused(running: Running) -> None:
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}])
    before = running.http.get("/healthz").json()["last_seq"]

    async def try_out() -> None:
        async with connected(running) as client:
            calls: list[tuple[str, dict[str, Any]]] = [
                ("create_task", {"title": "t", "asignees": ["x"]}),
                ("create_task", {"title": "t", "subtasks": [{"title": "s", "agnt": "x"}]}),
                ("create_subtask", {"task_id": "T", "title": "t", "dependson": []}),
                ("update_subtask", {"subtask_id": "A", "state": "blocked"}),
                ("complete_subtask", {"subtask_id": "A", "completion_summary": "s", "files": []}),
                ("send_message", {"agent": "x", "message": "m", "urgent": True}),
                ("list_tasks", {"page": 2}),
                ("delete_task", {"task_id": "T", "force": True}),
            ]
            for tool, arguments in calls:
                told = await refusal(client, tool, **arguments)
                assert "[invalid]" in told, tool
                assert any(name in told for name in ("asignees", "agnt", "dependson", "state", "files", "urgent",
                                                     "page", "force")), told  # fmt: skip
            assert "there is no tool 'drop_all'" in await refusal(client, "drop_all")

    anyio.run(try_out)
    assert running.http.get("/healthz").json()["last_seq"] == before


def test_assignees_and_dependencies_have_the_names_of_all_interfaces(running: Running) -> None:
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}])

    async def work() -> None:
        async with connected(running) as client:
            spellings: list[dict[str, Any]] = [
                {"agent": "coder", "depends_on": "A"},
                {"agent": ["coder"], "dependencies": ["A"]},
                {"assignees": "@coder", "dependencies": "A"},
                {"assignees": ["coder"], "depends_on": ["A"]},
            ]
            for number, arguments in enumerate(spellings):
                subtask = await made(client, id=f"S{number}", **arguments)
                assert (subtask["assignees"], subtask["dependencies"]) == (["coder"], ["A"])
                changed = await call(
                    client, "update_subtask", id=f"S{number}", agent="tester", dependencies=[]
                )
                assert (changed["assignees"], changed["dependencies"]) == (["tester"], [])
            with_parts = await call(
                client, "create_task", title="t", agent="lead",
                subtasks=[{"title": "s", "agent": "coder", "dependencies": ["A"]}],
            )  # fmt: skip
            assert with_parts["assignees"] == ["lead"]
            assert with_parts["subtasks"][0]["dependencies"] == ["A"]

    anyio.run(work)


def test_agents_their_blocks_messages_and_deletion(running: Running) -> None:
    running.create(
        id="T",
        subtasks=[
            {"id": "A", "title": "a", "agent": "coder"},
            {"id": "B", "title": "b", "agent": "tester"},
            {"id": "C", "title": "c", "agent": "tester", "depends_on": ["A"]},
        ],
    )
    listener = running.socket()
    listener.subscribe()
    # Given a coordinator that tells what its agents do
    for key, event_type, payload in [
        ("1", "subtask.updated", {"id": "A", "status": "in_progress"}),
        ("2", "agent.blocked", {"agent": "tester", "subtask_id": "B", "reason": "Which database?"}),
        ("3", "agent.blocked", {"agent": "writer", "subtask_id": None, "reason": "its claude crashes"}),
    ]:
        listener.say(id=key, event_type=event_type, payload=payload)
    told = listener.hear_all(7)
    blocked = [each["payload"] for each in told if each.get("event_type") == "subtask.updated"]
    assert blocked[-1]["blocked_reason"] == "Which database?"

    async def look() -> None:
        async with connected(running) as client:
            agents = (await call(client, "list_agents"))["agents"]
            assert agents == [
                {"agent": "coder", "state": "working", "working_on": ["A"], "blocked": [], "waiting": []},
                {"agent": "tester", "state": "blocked", "working_on": [],
                 "blocked": [{"subtask_id": "B", "reason": "Which database?"}], "waiting": ["C"]},
                {"agent": "writer", "state": "blocked", "working_on": [],
                 "blocked": [{"subtask_id": None, "reason": "its claude crashes"}], "waiting": []},
            ]  # fmt: skip
            assert running.http.get("/api/agents").json() == {"agents": agents}
            assert (await call(client, "get_subtask", subtask_id="B"))["blocked_reason"] == "Which database?"
            assert (await call(client, "send_message", agent="tester", message="MySQL", sender="me"))["seq"]
            # And what is no longer blocked has no reason
            assert (await call(client, "update_subtask", id="B", status="in_progress"))[
                "blocked_reason"
            ] == ""
            assert (await call(client, "update_subtask", id="B", agent="writer"))["assignees"] == ["writer"]
            assert (await call(client, "complete_subtask", id="B", completion_summary="s"))[
                "status"
            ] == "done"
            states = {each["agent"]: each["state"] for each in (await call(client, "list_agents"))["agents"]}
            assert states == {"coder": "working", "tester": "waiting"}
            assert "others depend on 'A'" in await refusal(client, "delete_subtask", subtask_id="A")
            assert (await call(client, "delete_subtask", subtask_id="C"))["id"] == "C"
            assert (await call(client, "delete_task", task_id="T")) == {"id": "T", "task_id": None}

    anyio.run(look)
    message = next(each for each in iter(listener.hear, None) if each.get("event_type") == "agent.message")
    assert message["payload"] == {"agent": "tester", "from": "me", "message": "MySQL", "subtask_id": None}


def test_older_clients_are_served_too(running: Running) -> None:
    async def look() -> None:
        async with connected(running, mode="legacy") as client:
            assert (await call(client, "list_tasks"))["tasks"] == []

    anyio.run(look)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_there_are_no_tools(running: Running, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{running.url}/mcp", headers=headers, json={}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
