"""Simulated people, who constantly create workflows, change subtasks and write to agents."""

import json
import random
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tools.chaos.looking import look
from tools.chaos.plans import PlannedWorkflow, Planner, Step

TIMEOUT = 10.0
PATIENCE = 60.0
"""Seconds that a backend may be unreachable."""
TAKEN = 409


class UnknownOutcomeError(Exception):
    """There was no answer, so the request may have been carried out or not."""


@dataclass
class Given:
    """The work that was given out.

    Attributes:
        workflows: The workflows that the backend has.
        certain: The acknowledged messages, with their agents.
        perhaps: The messages without an answer, with their agents.
    """

    workflows: list[PlannedWorkflow] = field(default_factory=list)
    certain: dict[str, str] = field(default_factory=dict)
    perhaps: dict[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> dict[str, Step]:
        """All subtasks, by id."""
        return {step.id: step for workflow in self.workflows for step in workflow.steps}


class RestClient:
    """A client of a REST interface on loopback.

    Args:
        token: Its bearer token.
    """

    def __init__(self, port: int, token: str) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._token = token

    def call(self, method: str, path: str, body: dict[str, Any]) -> int:
        """Send a request, and return the status of the answer.

        Raises:
            UnknownOutcomeError: There was no answer.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = Request(self._base + path, json.dumps(body).encode(), headers, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 - the same
                response.read()
                return int(response.status)
        except HTTPError as error:
            with error:
                return error.code
        except (OSError, HTTPException) as error:
            raise UnknownOutcomeError(str(error)) from error


class People:
    """Give out work from a thread, so that about ``busy`` subtasks are always open.

    Args:
        planner: Creates the workflows.
        backend: The backend's REST interface.
        gateway: The coordinator's REST interface.
        journal: The coordinator's journal, to count open subtasks.
        busy: The number of subtasks to keep open.
        pause: The longest pause between two actions, in seconds.
        alarm: Set if they can't continue; ``stop`` raises the reason.
    """

    def __init__(
        self,
        rng: random.Random,
        planner: Planner,
        *,
        backend: RestClient,
        gateway: RestClient,
        journal: Path,
        busy: int,
        pause: float,
        alarm: threading.Event,
    ) -> None:
        self.given = Given()
        self._rng, self._planner = rng, planner
        self._backend, self._gateway = backend, gateway
        self._journal, self._busy, self._pause = journal, busy, pause
        self._stopped, self._alarm = threading.Event(), alarm
        self._numbers = 0
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="people", daemon=True)

    def start(self) -> None:
        """Start to give out work."""
        self._thread.start()

    def stop(self) -> Given:
        """Stop after the current action, and return the work that was given out.

        Raises:
            BaseException: The error that stopped their thread.
        """
        self._stopped.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.given

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._rng.uniform(0, self._pause)):
                self._do_something()
        except BaseException as error:  # noqa: BLE001 - the thread's boundary: `stop` tells
            self._error = error
            self._alarm.set()

    def _do_something(self) -> None:
        if self._open_subtasks() < self._busy:
            self._create(self._planner.workflow())
        elif self._rng.random() < 0.5:  # noqa: PLR2004 - as often as not
            self._change()
        else:
            self._write()

    def _open_subtasks(self) -> int:
        rows = look(self._journal, "SELECT count(*) FROM nodes WHERE status IN ('unknown', 'open')")
        return int(rows[0][0]) if rows else self._busy

    def _create(self, workflow: PlannedWorkflow) -> None:
        """Create a workflow, and retry until it exists. Its ids are chosen here, so it can't be created twice."""
        if self._insist("POST", "/api/tasks", workflow.request) not in (200, 201, TAKEN):
            raise RuntimeError(f"the backend refuses {workflow.id}")
        self.given.workflows.append(workflow)

    def _change(self) -> None:
        """Change a subtask's title; the backend refuses this for one that is done."""
        if not self.given.workflows:
            return
        step = self._rng.choice(self._rng.choice(self.given.workflows[-6:]).steps)
        self._numbers += 1
        title = f"Step {step.id}, change {self._numbers}."
        self._insist("PATCH", f"/api/subtasks/{step.id}", {"title": title})

    def _write(self) -> None:
        """Write to an agent through the backend or the coordinator, once and without retries."""
        agent = self._rng.choice(list(self._planner.agents))
        self._numbers += 1
        text = f"Note {self._numbers}."
        try:
            if self._rng.random() < 0.5:  # noqa: PLR2004 - as often as not
                status = self._backend.call("POST", f"/api/agents/{agent}/messages", {"message": text})
            else:
                status = self._gateway.call("POST", "/api/messages", {"agent": agent, "text": text})
        except UnknownOutcomeError:
            self.given.perhaps[text] = agent
            return
        (self.given.certain if status < 300 else self.given.perhaps)[text] = agent  # noqa: PLR2004 - HTTP

    def _insist(self, method: str, path: str, body: dict[str, Any]) -> int:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._backend.call(method, path, body)
            except UnknownOutcomeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # it is being restarted
