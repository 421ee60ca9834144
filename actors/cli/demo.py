"""The example workflow from beginning to end: embedded backend, coordinator, three agents in a row."""

import json
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console

from actors.app.coordinator import Coordinator
from actors.app.environment import scripted_environment
from actors.app.logs import set_up_logging
from actors.app.settings import Settings, find_claude, load_defaults
from actors.app.tree import SCRIPTED
from actors.cli import render
from actors.cli.follow import follow_history
from actors.cli.table import Listing
from actors.journal.reader import JournalReader, Row
from actors.lib.children import adopt_orphans
from actors.lib.errors import root_cause
from actors.workdir import prepare
from supervisors import StartFailed

TITLE = "Build Auth System"
STEPS = (
    (
        "Design schema",
        "architect-agent",
        "Design the database schema for users, sessions and tokens. Keep it short.",
    ),
    (
        "Implement JWT",
        "coding-agent",
        "Implement issuing and checking of JWTs on the schema, in auth/jwt.py.",
    ),
    ("Write tests", "test-agent", "Write tests for the JWT code, in tests/test_jwt.py."),
)
PACE = "0.4"
"""Seconds for each step of the stand-in, slow enough to watch."""
STUCK = ("session.blocked", "agent.blocked")


@dataclass
class Progress:
    """The demo's progress.

    Attributes:
        subtasks: The ids of the subtasks, in their order.
        ended: The ids of subtasks that are completed, blocked or deleted.
        idle: The agents whose turns have ended.
        problem: The reason why it can't continue, if there is one.
    """

    subtasks: list[str]
    ended: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    problem: str | None = None

    @property
    def is_over(self) -> bool:
        """True when there is nothing left to wait for."""
        everybody = {agent for _, agent, _ in STEPS}
        return self.problem is not None or (len(self.ended) == len(self.subtasks) and self.idle >= everybody)


def run_demo(settings: Settings, console: Console, *, real: bool, timeout: float) -> int:
    """Run the demo in a directory of its own, and show its progress.

    Args:
        settings: The settings; ``--real`` uses their ``claude_command``.
        console: The output.
        real: True to use the user's own claude.
        timeout: Seconds until it gives up.

    Returns:
        The exit code: 0 if everything was completed, else 1.
    """
    directory = Path(tempfile.mkdtemp(prefix="agent-coordinator-demo-"))
    project = directory / "project"
    project.mkdir()
    console.print(_whose(settings) if real else SIMULATION)
    settings = load_defaults(
        work_dir=directory,
        project_dir=project,
        embedded_port=0,
        log_level=settings.log_level,
        claude_command=settings.claude_command if real else SCRIPTED,
    )
    with (directory / "coordinator.log").open("w", encoding="utf-8") as log:
        set_up_logging(settings.log_level, log)
        simulated = scripted_environment(prepare(directory).path / "claude") | {"SCRIPTED_CLAUDE_PACE": PACE}
        adopt_orphans()
        coordinator = Coordinator(settings, environment=None if real else simulated)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # each causes an orderly end
        progress = Progress([], problem="interrupted")
        try:
            coordinator.start()
            subtasks = create_workflow(coordinator.settings)
            console.print(f"Created {TITLE!r}: {' → '.join(agent for _, agent, _ in STEPS)}  ({directory})")
            progress = follow(coordinator, console, subtasks, timeout)
        except (StartFailed, OSError) as error:
            console.print(f"[red]The demo could not start:[/] {render.text(root_cause(error))}")
            return 1
        except KeyboardInterrupt:
            progress.problem = "interrupted"
        finally:
            coordinator.stop()
        return report(coordinator, console, progress, "Claude" if real else "the stand-in")


SIMULATION = (
    "[yellow]This is a simulation: a scripted stand-in replaces claude. No data is sent, and no account is used."
    "[/]"
)


def _whose(settings: Settings) -> str:
    path = find_claude(settings)
    return f"[yellow]This runs your own claude ({render.text(path)}), billed to your account.[/]"


def create_workflow(settings: Settings) -> list[str]:
    """Create the parent task and its chain of subtasks, and return the subtasks' ids."""
    subtasks = [
        {"key": str(place), "title": title, "assignees": [agent], "details": details,
         "depends_on": [str(place - 1)] if place else []}
        for place, (title, agent, details) in enumerate(STEPS)
    ]  # fmt: skip
    token = (settings.work_dir / "backend.token").read_text("ascii").strip()
    request = Request(
        f"http://127.0.0.1:{settings.embedded_port}/api/tasks",
        json.dumps({"title": TITLE, "subtasks": subtasks}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=10.0) as response:  # noqa: S310 - the same
        task = json.load(response)
    return [subtask["id"] for subtask in task["subtasks"]]


def follow(coordinator: Coordinator, console: Console, subtasks: list[str], timeout: float) -> Progress:
    """Show events until all subtasks have ended, and return the progress."""
    progress = Progress(subtasks)
    began = time.monotonic()
    for event in follow_history(coordinator.workdir.history, timeout):
        line = describe(event)
        if line:
            console.print(f"{time.monotonic() - began:6.1f} s  {line}")
        take(progress, event)
        if progress.is_over:
            return progress
    progress.problem = f"it took longer than {timeout:g} s"
    return progress


STYLES = {
    "subtask.created": ("dim", "created"),
    "subtask.completed": ("green", "completed"),
    "task.completed": ("green", "completed"),
    "subtask.blocked": ("red", "blocked"),
    "agent.blocked": ("red", "blocked"),
    "session.blocked": ("red", "blocked"),
    "session.starting": ("cyan", "starting"),
    "session.resuming": ("cyan", "resuming"),
    "session.working": ("cyan", "working"),
    "session.crashed": ("red", "crashed"),
    "session.rate_limited": ("yellow", "waiting"),
}


def describe(event: dict[str, Any]) -> str:
    """Return a line for an event; empty for an unimportant one."""
    kind, payload = event["event_type"], event["payload"]
    if kind not in STYLES:
        return ""
    style, word = STYLES[kind]
    who = event["agent"] or payload.get("by") or payload.get("completed_by")
    what = "the whole task" if kind == "task.completed" else render.gist(payload)
    said = ": ".join(filter(None, [who, what]))
    return f"[{style}]{word:<10}[/] {render.text(said)[:110]}"


def take(progress: Progress, event: dict[str, Any]) -> None:
    """Update the progress with an event."""
    kind, payload = event["event_type"], event["payload"]
    if kind == "session.ready":
        progress.idle.add(event["agent"])
    if (
        kind in ("subtask.completed", "subtask.blocked", "subtask.deleted")
        and event["id"] in progress.subtasks
    ):
        progress.ended.add(event["id"])
    if kind in STUCK or kind == "subtask.blocked":
        progress.problem = f"{event['agent']} is blocked: {render.gist(payload)}"


def report(coordinator: Coordinator, console: Console, progress: Progress, who: str) -> int:
    """Print the final table, and return the exit code; ``who`` gave the receipts."""
    reader = JournalReader(coordinator.workdir.journal)
    found = Listing("subtask", "agent", "state", "seconds", "delivered", "receipt")
    unfinished = []
    for subtask_id in progress.subtasks:
        node = reader.node(subtask_id) or {"state": "unknown"}
        if node["state"] != "completed":
            unfinished.append(f"{node.get('title', subtask_id)}: {node['state']}")
        for row in [each for each in reader.deliveries(limit=1000) if each["subtask_id"] == subtask_id] or [
            {}
        ]:
            found.add_row(*_cells(node, row))
    reader.close()
    found.put(console)
    if unfinished or progress.problem:
        console.print(f"[red]Not finished:[/] {render.text(progress.problem or '; '.join(unfinished))}")
        console.print(f"See the log: {coordinator.workdir.path / 'coordinator.log'}")
        return 1
    console.print(
        f"[green]All subtasks are completed. Each context was delivered once, with a receipt from {who} itself.[/]"
    )
    console.print(f"Its files are in {coordinator.workdir.path}; you can delete them.")
    return 0


def _cells(node: Row, delivery: Row) -> list[str]:
    times = node.get("times", {})
    took = f"{times['closed'] - times['started']:.1f}" if {"closed", "started"} <= times.keys() else ""
    receipt = delivery.get("receipt") or delivery.get("reason") or ""
    return [
        render.text(node.get("title")),
        render.text(", ".join(node.get("assignees", ()))),
        render.state(node["state"]),
        took,
        render.text(delivery.get("kind", "nothing")),
        render.text(receipt or delivery.get("state", "")),
    ]
