"""Those who give out work: they create workflows, change subtasks and write to agents, all the time."""

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
from tools.chaos.plans import Planner, Step, Workflow

TIMEOUT = 10.0
PATIENCE = 60.0
"""Seconds that a backend may be out of reach."""
TAKEN = 409


class UnknownOutcomeError(Exception):
    """Nobody answered: it may have been done or not."""


@dataclass
class Given:
    """What was given out.

    Attributes:
        workflows: Those that the backend has.
        certain: Messages of which it was said that they are recorded, and to whom.
        perhaps: Messages of which nothing was said.
    """

    workflows: list[Workflow] = field(default_factory=list)
    certain: dict[str, str] = field(default_factory=dict)
    perhaps: dict[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> dict[str, Step]:
        """All subtasks by id."""
        return {step.id: step for workflow in self.workflows for step in workflow.steps}


class Door:
    """A REST interface on loopback.

    Args:
        token: Its bearer token.
    """

    def __init__(self, port: int, token: str) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._token = token

    def call(self, method: str, path: str, body: dict[str, Any]) -> int:
        """Call it; the status that it answers.

        Raises:
            UnknownOutcomeError: It doesn't answer.
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
    """Give out work in a thread of their own, so that always about ``busy`` subtasks are open.

    Args:
        planner: Makes the workflows up.
        backend: The backend's door.
        gateway: The coordinator's.
        journal: Tells how much is open.
        busy: How many subtasks are to be open.
        pause: The longest pause between two deeds, in seconds.
        alarm: Set where they can't go on; ``stop`` says why.
    """

    def __init__(
        self,
        rng: random.Random,
        planner: Planner,
        *,
        backend: Door,
        gateway: Door,
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
        """Begin."""
        self._thread.start()

    def stop(self) -> Given:
        """Stop, once the present deed is done; what was given out.

        Raises:
            BaseException: What they stumbled over.
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

    def _create(self, workflow: Workflow) -> None:
        """Again and again until it is there: its ids are ours, so it can't be there twice."""
        if self._insist("POST", "/api/tasks", workflow.request) not in (200, 201, TAKEN):
            raise RuntimeError(f"the backend refuses {workflow.id}")
        self.given.workflows.append(workflow)

    def _change(self) -> None:
        """Give a subtask another title; one that is done by then refuses it."""
        if not self.given.workflows:
            return
        step = self._rng.choice(self._rng.choice(self.given.workflows[-6:]).steps)
        self._numbers += 1
        title = f"Step {step.id}, change {self._numbers}."
        self._insist("PATCH", f"/api/subtasks/{step.id}", {"title": title})

    def _write(self) -> None:
        """Write to an agent, by way of the backend or of the coordinator; once, whatever comes of it."""
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
                time.sleep(0.1)  # it is started again meanwhile
