"""Properties for random requests: the history has no gap and rebuilds the state, and nothing waits for itself."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from starlette.testclient import TestClient

from backend.app import create_app
from backend.graph import find_cycle
from backend.runtime import Runtime
from tests.backend.conftest import HEADERS, TOKEN

IDS = st.sampled_from([f"i{number}" for number in range(8)])
STATUSES = st.sampled_from(["todo", "in_progress", "blocked", "done", "cancelled"])
STATE = ("id", "title", "details", "assignees", "dependencies", "status", "project", "branch")


class RandomRequests(RuleBasedStateMachine):
    """Random requests by one client, with intentional clashes of ids."""

    def __init__(self) -> None:
        super().__init__()
        self._dir = tempfile.TemporaryDirectory()
        self._runtime = Runtime(f"sqlite:///{Path(self._dir.name) / 'random.db'}")
        self._client = TestClient(create_app(self._runtime, TOKEN), headers=HEADERS)
        self._client.__enter__()
        self._rebuilt: dict[str, dict[str, Any]] = {}
        self._seq = 0

    def teardown(self) -> None:
        """Close the client and the backend."""
        self._client.__exit__(None, None, None)
        self._dir.cleanup()

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = self._client.request(method, path, json=body)
        assert answer.status_code in {200, 201, 204, 404, 409, 422}, answer.text

    @rule(
        item=IDS, dependencies=st.lists(IDS, max_size=3), subtasks=st.lists(st.tuples(IDS, IDS), max_size=3)
    )
    def create_task(self, item: str, dependencies: list[str], subtasks: list[tuple[str, str]]) -> None:
        """Create a task with subtasks."""
        nested = [{"id": each, "title": each, "depends_on": [other]} for each, other in subtasks]
        self._ask(
            "POST",
            "/api/tasks",
            {"id": item, "title": item, "dependencies": dependencies, "subtasks": nested},
        )

    @rule(task=IDS, item=IDS, dependencies=st.lists(IDS, max_size=3))
    def create_subtask(self, task: str, item: str, dependencies: list[str]) -> None:
        """Create a subtask of a task that may not exist."""
        body = {"id": item, "title": item, "dependencies": dependencies}
        self._ask("POST", f"/api/tasks/{task}/subtasks", body)

    @rule(kind=st.sampled_from(["tasks", "subtasks"]), item=IDS, dependencies=st.lists(IDS, max_size=3))
    def relink(self, kind: str, item: str, dependencies: list[str]) -> None:
        """Change dependencies."""
        self._ask("PATCH", f"/api/{kind}/{item}", {"dependencies": dependencies})

    @rule(kind=st.sampled_from(["tasks", "subtasks"]), item=IDS, status=STATUSES)
    def set_status(self, kind: str, item: str, status: str) -> None:
        """Change a status."""
        self._ask("PATCH", f"/api/{kind}/{item}", {"status": status})

    @rule(kind=st.sampled_from(["tasks", "subtasks"]), item=IDS)
    def complete(self, kind: str, item: str) -> None:
        """Complete an item."""
        self._ask("POST", f"/api/{kind}/{item}/complete", {"completion_summary": item})

    @rule(kind=st.sampled_from(["tasks", "subtasks"]), item=IDS)
    def delete(self, kind: str, item: str) -> None:
        """Delete an item."""
        self._ask("DELETE", f"/api/{kind}/{item}", {})

    @invariant()
    def the_history_rebuilds_the_state(self) -> None:
        """Check that a replay of all events gives the state that the queries return."""
        for stored in self._runtime.queries.history(self._seq, 10**9):
            assert stored.seq == self._seq + 1
            self._seq = stored.seq
            self._apply(json.loads(stored.text))
        assert self._rebuilt == self._present()
        assert self._seq == self._runtime.hub.last_seq

    @invariant()
    def nothing_waits_for_itself(self) -> None:
        """Check that no item waits for itself, by dependencies or as a task of its subtasks."""
        waits = {item["id"]: list(item["dependencies"]) for item in self._rebuilt.values()}
        for item in self._rebuilt.values():
            if item["task_id"]:
                waits[item["task_id"]].append(item["id"])
        assert find_cycle(waits, lambda each: waits[each]) is None

    @invariant()
    def a_closed_task_has_nothing_open(self) -> None:
        """Check that done and cancelled tasks have no open subtask."""
        for item in self._rebuilt.values():
            if item["task_id"] and item["status"] in {"todo", "in_progress", "blocked"}:
                assert self._rebuilt[item["task_id"]]["status"] in {"todo", "in_progress", "blocked"}

    def _apply(self, event: dict[str, Any]) -> None:
        kind, _, verb = event["event_type"].partition(".")
        payload = event["payload"]
        if verb == "deleted":
            del self._rebuilt[payload["id"]]
        elif verb == "completed":
            self._rebuilt[payload["id"]]["status"] = payload["status"]
        else:
            parent = payload["task_id"] if kind == "subtask" else None
            self._rebuilt[payload["id"]] = {name: payload[name] for name in STATE} | {"task_id": parent}

    def _present(self) -> dict[str, dict[str, Any]]:
        present: dict[str, dict[str, Any]] = {}
        for task in self._client.get("/api/tasks").json()["tasks"]:
            tree = self._client.get(f"/api/tasks/{task['id']}").json()
            for item in [tree | {"task_id": None}, *tree["subtasks"]]:
                present[item["id"]] = {name: item[name] for name in (*STATE, "task_id")}
        return present


RandomRequests.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,  # the machine's speed is not what is tested
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
TestRandomRequests = RandomRequests.TestCase
