"""The doors: who may come in, from where, and with how much."""

import socket
from collections.abc import Callable
from urllib.parse import quote

import pytest

from actors.protocol.reports import (
    Answer,
    Completion,
    ReportCompletion,
    RestartSession,
    RetrySubtask,
    SendMessage,
    StartSession,
)
from tests.actors.gateway.conftest import SECONDS, Gateway

LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
MIB = 1024 * 1024


def test_health_needs_no_token(gateway: Gateway) -> None:
    with gateway.http() as http:
        answer = http.get("/healthz")
    assert answer.json() == {"status": "ok", "product": "agent-coordinator", "paused": None}
    assert "server" not in answer.headers


# ---------------------------------------------------------------- tokens


def test_an_agents_token_opens_the_tools(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.for_agent("coder")) as http:
        answer = http.post("/mcp", json=LIST_TOOLS, headers=ACCEPT)
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()["result"]["tools"]) == 5


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer wrong",
        "Bearer {operator}",
        "Bearer {agent}x",
        "Basic {agent}",
        "{agent}",
        "Bearer agent.other.{mac}",
    ],
)
def test_no_tools_without_an_agents_token(header: str | None, gateway: Gateway) -> None:
    agent = gateway.tokens.for_agent("coder")
    names = {"agent": agent, "operator": gateway.tokens.operator, "mac": agent.rpartition(".")[2]}
    headers = ACCEPT | ({"Authorization": header.format(**names)} if header else {})
    with gateway.http() as http:
        answer = http.post("/mcp", json=LIST_TOOLS, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "tools" not in answer.text


@pytest.mark.parametrize(
    "path", ["/api/messages", "/api/agents/coder/start", "/api/agents/coder/restart", "/api/subtasks/A/retry"]
)
def test_no_operators_door_without_the_operators_token(path: str, gateway: Gateway) -> None:
    for token in ("", "wrong", gateway.tokens.for_agent("coder")):
        with gateway.http(token) as http:
            assert http.post(path, json={"agent": "coder", "text": "hello"}).status_code == 401
    assert gateway.office.reports == []


# ---------------------------------------------------------------- the operator's doors


def test_a_person_writes_to_an_agent(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/messages", json={"agent": "coder", "text": "Use port 8001.", "mood": "fine"})
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "text": "Recorded."})
    assert gateway.office.last == SendMessage(
        agent="coder", text="Use port 8001.", sender="person", source="person"
    )


def test_a_person_starts_a_session(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/agents/coder/start")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "text": "Recorded."})
    assert gateway.office.last == StartSession(agent="coder")


@pytest.mark.parametrize("new", [False, True])
def test_a_person_restarts_a_session(gateway: Gateway, *, new: bool) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/agents/coder/restart", json={"new_conversation": True} if new else {})
    assert answer.status_code == 200
    assert gateway.office.last == RestartSession(agent="coder", new_conversation=new)


def test_a_person_has_a_held_subtask_go_on(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        assert http.post("/api/subtasks/a%1Bb/retry").status_code == 422
        for subtask in ("a:1@x", "proj/12", "#12", "step 1", "ä"):
            answer = http.post(f"/api/subtasks/{quote(subtask, safe='')}/retry")
            assert answer.status_code == 200
            assert gateway.office.last == RetrySubtask(subtask_id=subtask)
    assert len(gateway.office.reports) == 5


def test_a_refusal_is_a_conflict(gateway: Gateway) -> None:
    gateway.office.script = lambda _report: Answer(ok=False, text="It has no prompt.")
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/agents/coder/start")
    assert (answer.status_code, answer.json()) == (409, {"ok": False, "text": "It has no prompt."})


def test_a_silent_router_is_said_to_be_so(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway(reply_seconds=0.05)
    gateway.office.script = lambda _report: None
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/agents/coder/start")
    assert answer.status_code == 503
    assert "did not answer within 0.05 s; it isn't known whether" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "body: Field required"),
        (b"{", "JSON decode error"),
        (b'{"agent": "coder"}', "body.text: Field required"),
        (b'{"agent": "../coder", "text": "x"}', "body.agent: String should match"),
        (b'{"agent": "coder\\ud800", "text": "x"}', "body.agent: "),
        (b'{"agent": "coder", "text": " "}', "body.text: Value error, must not be empty"),
    ],
)
def test_a_body_that_cannot_be_used(body: bytes, problem: str, gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/messages", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert problem in answer.json()["detail"]
    assert gateway.office.reports == []


def test_a_name_in_the_path_that_is_none(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        assert http.post("/api/agents/.coder/start").status_code == 422
        assert http.post("/api/agents/a%2F..%2Fb/start").status_code == 404


# ---------------------------------------------------------------- where from, and how much


@pytest.mark.parametrize("path", ["/healthz", "/mcp", "/api/messages"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "127.0.0.2", "[::1]:80"])
def test_a_foreign_host_is_refused(host: str, path: str, gateway: Gateway) -> None:
    with gateway.http() as http:
        assert http.get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1234", "127.0.0.1:80"])
def test_loopback_by_any_name_is_served(host: str, gateway: Gateway) -> None:
    with gateway.http() as http:
        assert http.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/api/messages", "/nowhere"])
def test_a_body_of_more_than_a_mebibyte_is_refused(path: str, gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.for_agent("coder")) as http:
        assert http.post(path, content=b"x" * (MIB + 1)).status_code == 413
        # Also where it doesn't say its size.
        assert http.post(path, content=iter([b"x" * MIB, b"x"])).status_code == 413
    assert gateway.office.reports == []


def test_a_body_of_just_a_mebibyte_is_read(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.post("/api/messages", content=b" " * MIB, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_there_is_no_stream_to_open(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.for_agent("coder")) as http:
        assert http.get("/mcp", headers={"Accept": "text/event-stream"}).status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/"])
def test_nothing_else_is_served(path: str, gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        assert http.get(path).status_code == 404


def test_deep_nesting_does_no_harm(gateway: Gateway) -> None:
    with gateway.http(gateway.tokens.for_agent("coder")) as http:
        headers = ACCEPT | {"Content-Type": "application/json"}
        assert http.post("/mcp", content=b"[" * 500_000, headers=headers).status_code == 400
        assert http.get("/healthz").status_code == 200


def test_a_caller_that_says_nothing_holds_up_nobody(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway()
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), SECONDS) as silent, gateway.http() as http:
        silent.sendall(b"POST /mcp HTTP/1.1\r\n")
        assert http.get("/healthz").status_code == 200
        assert gateway.system.stop(SECONDS) == []


def test_the_largest_report_fits(gateway: Gateway) -> None:
    """Each bound can be reached without the body's bound being hit first."""
    arguments = {"completion_summary": "x" * 256 * 1024, "insights_found": ["y" * 60_000] * 10}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {"name": "complete_subtask", "arguments": arguments}
    with gateway.http(gateway.tokens.for_agent("coder")) as http:
        assert http.post("/mcp", json=body, headers=ACCEPT).status_code == 200
    completion = Completion(summary="x" * 256 * 1024, insights=("y" * 60_000,) * 10)
    assert gateway.office.last == ReportCompletion(agent="coder", way="gateway", completion=completion)
