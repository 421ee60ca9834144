"""Tests of the coordinator's tools over MCP."""

import time

from tests.contract.harness import DEADLINE, Claude, Run
from tests.contract.messages import message, say
from tests.doubles.mcp_server import Call, McpServer

ALLOWED = ("--strict-mcp-config", "--allowedTools", "mcp__coordinator")


def _start(claude: Claude, config: str) -> Run:
    return claude.start("--mcp-config", config, *ALLOWED)


def test_a_call_arrives_with_the_token(claude: Claude) -> None:
    with McpServer("complete_subtask") as server:
        run = _start(claude, server.config)
        a = run.send(
            message({"complete": {"completion_summary": "all of it"}}, {"mark": "DONE"}, kind="task_ready")
        )
        story = run.finish(a)

    (call,) = server.calls
    assert (call.tool, call.arguments["completion_summary"]) == ("complete_subtask", "all of it")
    assert story[4:] == [
        *["uses mcp__coordinator__complete_subtask", "tool done", "says DONE"],
        *["result A completed", "A completed"],
    ]


def test_the_config_may_be_a_file(claude: Claude) -> None:
    with McpServer("report_blocked") as server:
        path = claude.home / "mcp.json"
        path.write_text(server.config)
        run = _start(claude, str(path))
        a = run.send(message({"block": "no access"}))
        run.finish(a)

    assert server.calls == [Call("report_blocked", {"reason": "no access", "subtask_id": "A"})]


def test_the_init_event_says_who_is_connected(claude: Claude) -> None:
    with McpServer("complete_subtask") as server:
        run = _start(claude, server.config)
        a = run.send(message(say("hi")))
        run.finish(a)

    (connected,) = run.wait(lambda event: event.get("subtype") == "init")["mcp_servers"]
    assert (connected["name"], connected["status"]) == ("coordinator", "connected")


def test_a_restart_of_the_server_is_survived(claude: Claude) -> None:
    with McpServer("complete_subtask") as server:
        run = _start(claude, server.config)
        a = run.send(message({"complete": {"completion_summary": "first"}}))
        run.wait_state(a, "completed")
    with McpServer("complete_subtask", port=server.port) as restarted:
        b = run.send(message({"complete": {"completion_summary": "second"}}))
        run.wait_state(b, "completed")
        run.finish(a, b)

    assert [call.arguments["completion_summary"] for call in restarted.calls] == ["second"]


def test_with_a_wrong_token_there_is_no_such_tool(claude: Claude) -> None:
    with McpServer("complete_subtask", token="right") as server:
        run = _start(claude, server.config.replace("Bearer right", "Bearer wrong"))
        a = run.send(message({"complete": {}}))
        story = run.finish(a)

    assert "says (no such tool: mcp__coordinator__complete_subtask)" in story
    assert server.calls == []


def test_a_server_that_comes_up_later_is_found(claude: Claude) -> None:
    # Given a server that was down when claude started
    with McpServer("complete_subtask") as server:
        config = server.config
    run = _start(claude, config)
    run.wait_state(run.send(message(say("hi"))), "completed")

    # When it comes up, then a later turn has its tools
    with McpServer("complete_subtask", port=server.port) as late:
        deadline = time.monotonic() + DEADLINE
        while not late.calls:
            assert time.monotonic() < deadline
            run.wait_state(run.send(message({"sleep": 0.2}, {"complete": {}})), "completed")
        run.finish()


def test_with_the_server_down_there_is_no_such_tool(claude: Claude) -> None:
    with McpServer("complete_subtask") as server:
        config = server.config
    run = _start(claude, config)
    a = run.send(message({"complete": {}}))

    assert "says (no such tool: mcp__coordinator__complete_subtask)" in run.finish(a)
    (failed,) = run.wait(lambda event: event.get("subtype") == "init")["mcp_servers"]
    assert failed["status"] == "failed"
