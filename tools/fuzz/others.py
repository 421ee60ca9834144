"""Entry points that don't lead to the router: agents' prompts, workflow plans, and the embedded backend's socket."""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from actors.agents.prompt import BadPrompt, find_prompt
from backend.change import StoredEvent
from backend.errors import BackendError
from backend.plan import PlanError, read_plan
from backend.requests import NewTask, Publication
from backend.service import TaskService
from backend.storage import open_database
from tools.fuzz.doors import EntryPoint, Round
from tools.fuzz.rules import BrokenError
from tools.fuzz.samples import PLAN, PROMPT, YAML_TOKENS

SUBTASKS = 30
LONGEST = 1500
"""The longest YAML in bytes; its parser is a hundred times slower than the others."""


class Yaml(EntryPoint):
    """Input that people write as YAML."""

    sample: bytes

    def make(self) -> bytes:
        """Create a valid text with an insertion or a fault."""
        return self._changed()[:LONGEST]

    def _changed(self) -> bytes:
        chance = self.mutator.random
        if self.mutator.chance(0.3):
            return self.sample
        if self.mutator.chance(0.4):
            place = chance.choice([place for place, byte in enumerate(self.sample) if byte in b" \n"])
            return self.sample[: place + 1] + chance.choice(YAML_TOKENS) + self.sample[place + 1 :]
        return self.mutator.spoil(self.sample, chance.choice((PLAN, PROMPT)))


class Prompts(Yaml):
    """Agents' prompts."""

    name, weight, sample = "prompts", 1, PROMPT

    def take(self, raw: bytes) -> bool:
        """Write a prompt to its file, and find it there."""
        directory = self.round.directory / "prompts"
        directory.mkdir(exist_ok=True)
        (directory / "coder.md").write_bytes(raw)
        try:
            prompt = find_prompt("coder", directory, directory)
        except BadPrompt as problem:
            if problem.line < 1 or problem.line > raw.count(b"\n") + raw.count(b"\r") + 2:
                raise BrokenError(f"there is no line {problem.line}") from problem
            return False
        return bool(prompt.text)


class Plans(Yaml):
    """Plans of workflows."""

    name, weight, sample = "plans", 1, PLAN

    def take(self, raw: bytes) -> bool:
        """Read a plan."""
        try:
            plan = read_plan(raw.decode())
        except (UnicodeDecodeError, PlanError):
            return False
        plan.waits_for()
        return True


class Publications(EntryPoint):
    """Events that clients publish to the embedded backend."""

    name, weight = "publications", 6

    def __init__(self, the_round: Round) -> None:
        super().__init__(the_round)
        self._engine = open_database(f"sqlite:///{the_round.directory / 'backend.db'}")
        self._service = TaskService(self._engine, self._listen)
        subtasks = [{"id": f"P{number}", "title": f"Part {number}"} for number in range(SUBTASKS)]
        self._service.create_task(NewTask.model_validate({"id": "T1", "title": "Task", "subtasks": subtasks}))

    def make(self) -> bytes:
        """Create a message to the backend's socket."""
        return self.varied(self.story.publication)

    def take(self, raw: bytes) -> bool:
        """Publish an event."""
        try:
            message: Any = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return False
        try:
            return self._service.publish(Publication.model_validate(message)) > 0
        except (ValidationError, BackendError):
            return False

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    @staticmethod
    def _listen(events: Sequence[StoredEvent]) -> None:
        for event in events:
            event.text.encode()
            if not isinstance(orjson.loads(event.text), dict):
                raise BrokenError(f"no event: {event.text[:200]!r}")
