"""Random workflows, whose results are known in advance."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

SIZES = {"chain": (2, 5), "diamond": (4, 4), "fan": (4, 9), "any": (3, 8)}


@dataclass(frozen=True)
class Step:
    """A subtask.

    Attributes:
        upstreams: The ids of the subtasks that it waits for.
        play: What its agent does.
        background: A command that outlasts the turn; the turn that its end begins completes the subtask.
        summary: Its expected result, different for each.
    """

    id: str
    agents: tuple[str, ...]
    upstreams: tuple[str, ...]
    play: tuple[dict[str, Any], ...] = ()
    background: str = ""

    @property
    def summary(self) -> str:
        """The result that its agent reports."""
        return f"what came of {self.id}."

    @property
    def request(self) -> dict[str, Any]:
        """The part of the request to the backend."""
        return {
            "id": self.id,
            "title": f"Step {self.id}",
            "details": self._details,
            "assignees": list(self.agents),
            "dependencies": list(self.upstreams),
        }

    @property
    def _details(self) -> str:
        end = {"complete": {"completion_summary": self.summary}}
        if not self.background:
            return f"@play {json.dumps([*self.play, end])}"
        begun = [*self.play, {"background": self.background}, {"say": "It runs in the background."}]
        return f"@play {json.dumps(begun)}\n@wake {json.dumps([end])}"


@dataclass(frozen=True)
class PlannedWorkflow:
    """A task with its subtasks."""

    id: str
    steps: tuple[Step, ...]

    @property
    def request(self) -> dict[str, Any]:
        """The part of the request to the backend."""
        return {
            "id": self.id,
            "title": f"Workflow {self.id}",
            "subtasks": [step.request for step in self.steps],
        }


@dataclass
class Planner:
    """Creates random workflows.

    Args:
        rng: The random generator.
        agents: The agents that may get work.
        think: The longest time that an agent thinks about a step, in seconds.
        background: The part of the steps that are done in the background.
    """

    rng: random.Random
    agents: Sequence[str]
    think: float
    background: float = 0.0
    _made: int = 0
    _earlier: list[str] = field(default_factory=list)

    def workflow(self) -> PlannedWorkflow:
        """Return a new workflow."""
        self._made += 1
        shape = self.rng.choice(list(SIZES))
        task_id = f"w{self._made}-{shape}"
        size = self.rng.randint(*SIZES[shape])
        steps = tuple(
            self._step(f"{task_id}-{number}", [f"{task_id}-{other}" for other in others])
            for number, others in enumerate(self._edges(shape, size))
        )
        self._earlier = [*self._earlier[-50:], *(step.id for step in steps)]
        return PlannedWorkflow(task_id, steps)

    def _edges(self, shape: str, size: int) -> Iterator[list[int]]:
        """Return for each step the positions of the steps that it waits for."""
        yield []
        for number in range(1, size):
            if shape == "chain":
                yield [number - 1]
            elif shape == "any":
                yield sorted(self.rng.sample(range(number), self.rng.randint(0, min(number, 3))))
            else:
                yield [0] if number < size - 1 else list(range(1, size - 1))

    def _step(self, step_id: str, upstreams: list[str]) -> Step:
        if not upstreams and self._earlier and self.rng.random() < 0.2:  # noqa: PLR2004 - now and then
            upstreams = [self.rng.choice(self._earlier)]  # from another workflow, done or not
        agents = self.rng.sample(list(self.agents), 2 if self.rng.random() < 0.1 else 1)  # noqa: PLR2004 - the same
        play = tuple(self._play(step_id))
        return Step(step_id, tuple(agents), tuple(upstreams), play, self._background())

    def _background(self) -> str:
        if self.rng.random() >= self.background:
            return ""
        return f"echo begun; sleep {self.rng.uniform(0, 2 * self.think):.2f}"

    def _play(self, step_id: str) -> Iterator[dict[str, Any]]:
        yield {"say": f"I work on {step_id}."}
        if self.rng.random() < 0.5:  # noqa: PLR2004 - as often as not
            yield {"sleep": round(self.rng.uniform(0, self.think), 2)}
        if self.rng.random() < 0.4:  # noqa: PLR2004 - a tool, so that what comes meanwhile joins the turn
            yield {"bash": f"touch ran-{step_id}"}
