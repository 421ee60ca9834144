"""Tests of the REST interface."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from backend.app import create_app
from backend.fields import MAX_BODY
from backend.runtime import Runtime
from tests.backend.conftest import HEADERS, TOKEN


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(Runtime(f"sqlite:///{tmp_path / 'rest.db'}"), TOKEN)
    with TestClient(app, headers=HEADERS, raise_server_exceptions=False) as client:
        yield client


def create(client: TestClient, **task: object) -> dict[str, Any]:
    answer = client.post("/api/tasks", json={"title": "T", **task})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def test_the_life_of_a_workflow(client: TestClient) -> None:
    # Given: a task with two subtasks, one after the other.
    created = create(
        client,
        project="p",
        branch="feature/x",
        subtasks=[
            {"key": "a", "title": "Design", "agent": "@architect-agent"},
            {"title": "Code", "assignees": ["coding-agent", "coding-agent"], "depends_on": ["a"]},
        ],
    )
    first, second = created["subtasks"]
    assert first["assignees"] == ["architect-agent"]
    assert second["assignees"] == ["coding-agent"]
    assert second["dependencies"] == [first["id"]]
    # When: both are done.
    done = client.post(
        f"/api/subtasks/{first['id']}/complete", json={"completion_summary": "5 tables", "completed_by": "x"}
    )
    assert (done.status_code, done.json()["status"], done.json()["completed_by"]) == (200, "done", "x")
    assert client.post(f"/api/subtasks/{second['id']}/complete").status_code == 200
    # Then: so is the task, and completing once more is no change.
    task = client.get(f"/api/tasks/{created['id']}").json()
    assert (task["status"], task["completion_summary"]) == ("done", "Design: 5 tables\nCode")
    assert [each["status"] for each in task["subtasks"]] == ["done", "done"]
    seq = client.get("/healthz").json()["last_seq"]
    assert client.post(f"/api/tasks/{created['id']}/complete", json={}).json()["seq"] == seq
    assert client.get("/healthz").json()["last_seq"] == seq


def test_subtasks_are_added_listed_changed_and_deleted(client: TestClient) -> None:
    task = create(client)
    path = f"/api/tasks/{task['id']}/subtasks"
    subtask = client.post(path, json={"id": "S", "title": "s"}).json()
    assert subtask["task_id"] == task["id"]
    client.post(path, json={"id": "R", "title": "r"})
    page = client.get(path, params={"limit": 1}).json()
    assert ([each["id"] for each in page["subtasks"]], page["next_offset"]) == (["S"], 1)
    page = client.get(path, params={"limit": 1, "offset": 1}).json()
    assert ([each["id"] for each in page["subtasks"]], page["next_offset"]) == (["R"], None)
    changed = client.patch("/api/subtasks/S", json={"status": "in_progress", "title": None})
    assert (changed.json()["status"], changed.json()["title"]) == ("in_progress", "s")
    assert client.get("/api/subtasks/S").json() == changed.json()
    assert client.delete("/api/subtasks/S").status_code == 204
    assert client.get("/api/subtasks/S").status_code == 404
    assert client.delete(f"/api/tasks/{task['id']}").status_code == 204
    assert client.get(path).status_code == 404


def test_tasks_are_filtered_and_paged(client: TestClient) -> None:
    for number in range(5):
        create(client, id=f"t{number}", project="even" if number % 2 == 0 else "odd", branch="b")
    client.patch("/api/tasks/t4", json={"status": "cancelled"})

    def ids(**params: str | int) -> list[str]:
        return [each["id"] for each in client.get("/api/tasks", params=params).json()["tasks"]]

    assert ids(project="even") == ["t0", "t2", "t4"]
    assert ids(project="even", status="todo") == ["t0", "t2"]
    assert ids(branch="other") == []
    assert ids(limit=2, offset=3) == ["t3", "t4"]


def test_a_message_is_sent_to_an_agent(client: TestClient) -> None:
    sent = client.post("/api/agents/@coding-agent/messages", json={"message": "hi", "from": "Ann"})
    assert (sent.status_code, sent.json()) == (201, {"seq": 1})


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid", "title"),
        ({"title": " "}, "invalid", "title"),
        ({"title": "t", "id": "-x"}, "invalid", "id"),
        ({"title": "t", "id": "x" * 201}, "invalid", "id"),
        ({"title": "t", "id": "x\n"}, "invalid", "id"),
        ({"title": "t", "assignees": ["a b"]}, "invalid", "assignees.0"),
        ({"title": "t", "assignees": [""]}, "invalid", "assignees.0"),
        ({"title": "t", "dependancies": []}, "invalid", "dependancies"),
        ({"title": "t", "details": "\ud800"}, "invalid", "details"),
        ({"title": "\ud800"}, "invalid", "title"),
        ({"title": "t", "\ud800": 1}, "invalid", "body"),
        ({"title": "t", "project": "\ud800"}, "invalid", "project"),
        ({"title": "t", "subtasks": [{"title": "s"}, {}]}, "invalid", "subtasks.1.title"),
        ({"title": "t", "dependencies": ["x", "y"]}, "unknown_dependency", "dependencies"),
        ({"title": "t", "id": "t", "dependencies": ["t"]}, "dependency_cycle", "path"),
    ],
)
def test_a_refusal_names_the_field(
    client: TestClient, body: dict[str, object], code: str, field: str
) -> None:
    content = json.dumps(body)  # which can spell half a surrogate pair
    answer = client.post("/api/tasks", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, code)
    assert field in answer.json()["fields"]
    assert client.get("/healthz").json()["last_seq"] == 0


@pytest.mark.parametrize("name", ["a b", "-x", "x" * 65, "%ff"])
def test_an_impossible_agent_is_refused(client: TestClient, name: str) -> None:
    answer = client.post(f"/api/agents/{name}/messages", json={"message": "hi"})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["agent"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/tasks/nope", 404, "unknown_task"),
        ("PATCH", "/api/subtasks/nope", 404, "unknown_subtask"),
        ("POST", "/api/subtasks/nope/complete", 404, "unknown_subtask"),
        ("DELETE", "/api/tasks/nope", 404, "unknown_task"),
        ("POST", "/api/tasks/nope/subtasks", 422, "invalid"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/api/tasks", 405, "method_not_allowed"),
        ("GET", "/api/tasks?limit=0", 422, "invalid"),
        ("GET", "/api/tasks?status=fine", 422, "invalid"),
    ],
)
def test_every_error_has_the_one_shape(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path, json={})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert set(answer.json()) == {"error", "message", "fields"}


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b"7", b""])
def test_garbage_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/tasks", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert set(answer.json()) == {"error", "message", "fields"}


def test_the_id_is_the_clients_to_choose_once(client: TestClient) -> None:
    create(client, id="mine")
    answer = client.post("/api/tasks", json={"id": "mine", "title": "again"})
    assert (answer.status_code, answer.json()["error"]) == (409, "id_taken")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer ü".encode()},
    ],
)
def test_nothing_but_the_health_is_open(client: TestClient, headers: dict[str, Any]) -> None:
    for path in ("/api/tasks", f"/api/tasks?token={TOKEN}", "/mcp", "/openapi.json", "/nowhere"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert client.get("/healthz", headers=headers).json() == {
        "product": "agent-coordinator-backend",
        "last_seq": 0,
    }


def test_a_body_is_bounded_whether_or_not_it_says_its_size(client: TestClient) -> None:
    chunk = b" " * (1024 * 1024)
    said = client.post("/api/tasks", content=b" " * (MAX_BODY + 1))
    assert (said.status_code, said.json()["error"]) == (413, "too_large")
    unsaid = client.post("/api/tasks", content=(chunk for _ in range(17)))
    assert unsaid.status_code == 413
    # One that is just small enough is read.
    body = b'{"title": "t"}'.ljust(MAX_BODY)
    fits = client.post("/api/tasks", content=body, headers={"Content-Type": "application/json"})
    assert fits.status_code == 201


def test_a_failure_inside_tells_no_secrets(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(client.app.state.runtime.service, "create_task", fail)  # type: ignore[attr-defined]
    answer = client.post("/api/tasks", json={"title": "t"})
    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert "secret" not in answer.text


@pytest.mark.parametrize("body", [{"message": {}}, {"message": None}, {"message": "hi", "self": 1}])
def test_a_refused_field_may_have_any_name(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/api/agents/coding-agent/messages", json=body)
    assert answer.status_code == 422


def test_while_the_database_is_locked_clients_are_asked_to_come_back(
    client: TestClient, tmp_path: Path
) -> None:
    create(client, id="T")
    runtime: Runtime = client.app.state.runtime  # type: ignore[attr-defined]  # it is the application
    with closing(sqlite3.connect(tmp_path / "rest.db", isolation_level=None)) as other:
        # Given another program that holds the database, and connections that don't wait for it
        event.listen(runtime.service._engine, "checkout", _impatient)
        other.execute("BEGIN IMMEDIATE")
        answer = client.post("/api/tasks", json={"title": "t"})
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert answer.json()["message"] == (
            "the database can't be used at the moment (database is locked); try again"
        )
        assert int(answer.headers["Retry-After"]) > 0
        # And reading goes on
        assert client.get("/api/tasks/T").status_code == 200
        other.execute("ROLLBACK")
    assert client.post("/api/tasks", json={"title": "t"}).status_code == 201


def _impatient(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout=1")


def test_a_change_takes_the_names_of_creation(client: TestClient) -> None:
    create(client, id="T", subtasks=[{"id": "A", "title": "a"}, {"id": "B", "title": "b"}])
    for body in (
        {"agent": "coder", "depends_on": ["A"]},
        {"assignees": ["coder"], "dependencies": "A"},
    ):
        client.patch("/api/subtasks/B", json={"agent": [], "depends_on": []})
        changed = client.patch("/api/subtasks/B", json=body).json()
        assert (changed["assignees"], changed["dependencies"]) == (["coder"], ["A"])


def test_the_reason_of_a_block_goes_with_it(client: TestClient) -> None:
    create(client, id="T", subtasks=[{"id": "A", "title": "a"}])
    for status in ("todo", "in_progress", "cancelled"):
        blocked = client.patch("/api/subtasks/A", json={"status": "blocked", "blocked_reason": "why"})
        assert blocked.json()["blocked_reason"] == "why"
        assert client.patch("/api/subtasks/A", json={"status": status}).json()["blocked_reason"] == ""
