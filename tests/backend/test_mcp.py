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
                "get_task",
                "list_subtasks",
                "list_tasks",
                "update_subtask",
            ]
            assert all(tool.description and tool.output_schema for tool in tools.values())
            subtask = tools["create_task"].input_schema["$defs"]["NewSubtask"]["properties"]
            assert {"key", "title", "assignees", "depends_on"} <= set(subtask)

    anyio.run(look)


def test_older_clients_are_served_too(running: Running) -> None:
    async def look() -> None:
        async with connected(running, mode="legacy") as client:
            assert (await call(client, "list_tasks"))["tasks"] == []

    anyio.run(look)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_there_are_no_tools(running: Running, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{running.url}/mcp", headers=headers, json={}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
