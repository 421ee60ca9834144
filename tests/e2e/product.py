"""The whole product for a test: embedded backend, coordinator, agents, and a client that creates work."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.app.coordinator import Coordinator
from actors.app.settings import load_defaults
from actors.cli.follow import follow_history
from actors.journal.reader import JournalReader, Row
from tests.ports import free_port


class Product:
    """A running coordinator with its embedded backend.

    Args:
        directory: For its work directory and the project.
        command: The claude that it runs.
        environment: The environment of claude.
        options: More settings.
    """

    def __init__(
        self, directory: Path, command: tuple[str, ...], environment: dict[str, str], **options: Any
    ) -> None:
        project = directory / "project"
        project.mkdir(exist_ok=True)
        self.settings = load_defaults(
            work_dir=directory / "work", project_dir=project, embedded_port=free_port(),
            claude_command=command, **options,
        )  # fmt: skip
        self._environment = environment
        self.coordinator = Coordinator(self.settings, environment=environment)
        self.work = self.coordinator.workdir

    def start(self) -> None:
        """Start the product, and return when it is ready."""
        self.coordinator.start()

    def stop(self) -> None:
        """Stop the product, and leave nothing behind."""
        assert self.coordinator.stop() == []

    def restart(self) -> None:
        """Stop, and start again in the same directory."""
        self.stop()
        self.coordinator = Coordinator(self.settings, environment=self._environment)
        self.start()

    # ------------------------------------------------------------ the backend's user

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a REST request to the embedded backend."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.settings.embedded_port}{path}",
            json.dumps(body).encode() if body is not None else None,
            {
                "Authorization": f"Bearer {self.work.backend_token.read_text().strip()}",
                "Content-Type": "application/json",
            },
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            found: dict[str, Any] = json.load(response)
            return found

    def operate(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the gateway's operator routes."""
        headers = {
            "Authorization": f"Bearer {self.coordinator.tokens.operator}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(self.coordinator.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            found: dict[str, Any] = json.load(response)
            return found

    def create(self, title: str, *subtasks: dict[str, Any]) -> dict[str, str]:
        """Create a workflow, and return the ids of its subtasks by key."""
        task = self.call("POST", "/api/tasks", {"title": title, "subtasks": list(subtasks)})
        return {given["key"]: made["id"] for given, made in zip(subtasks, task["subtasks"], strict=True)}

    # ------------------------------------------------------------ looking

    def wait_for(self, done: Callable[[dict[str, Any]], bool], seconds: float = 45.0) -> None:
        """Wait until a new or existing event satisfies ``done``."""
        seen = []
        for event in follow_history(self.work.history, seconds):
            seen.append(
                f"{event['event_type']} {event['id']} {event['agent']} {event['payload'].get('reason', '')}"
            )
            if done(event):
                return
        raise AssertionError("it did not happen; there were:\n" + "\n".join(seen))

    def wait_completed(self, *ids: str, seconds: float = 45.0) -> None:
        """Wait until all these are completed."""
        missing = set(ids)

        def done(event: dict[str, Any]) -> bool:
            if event["event_type"].endswith(".completed"):
                missing.discard(event["id"])
            return not missing

        self.wait_for(done, seconds)

    def wait_idle(self, *agents: str, seconds: float = 45.0) -> None:
        """Wait until these agents' sessions have ended their turns."""
        missing = set(agents)

        def done(event: dict[str, Any]) -> bool:
            if event["event_type"] == "session.ready":
                missing.discard(event["agent"])
            return not missing

        self.wait_for(done, seconds)

    def deliveries(self, **which: Any) -> list[Row]:
        """Return deliveries in the journal."""
        reader = JournalReader(self.work.journal)
        try:
            return reader.deliveries(limit=10_000, **which)
        finally:
            reader.close()

    def node(self, node_id: str) -> Row:
        """Return a task or subtask in the journal."""
        reader = JournalReader(self.work.journal)
        try:
            found = reader.node(node_id)
            assert found is not None
            return found
        finally:
            reader.close()
