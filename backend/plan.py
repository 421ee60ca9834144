"""The parser of plans: the steps of a workflow as YAML. Every mistake is reported with its line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from backend.errors import BackendError
from backend.fields import AGENT_PATTERN
from backend.graph import find_cycle

PLAN_KEYS = ("title", "details", "subtasks")
STEP_KEYS = ("title", "agent", "details", "depends_on", "key")
OTHER_NAMES = {"assignees": "agent", "dependencies": "depends_on"}
"""The names of the other interfaces for two keys of a step."""

STR = "tag:yaml.org,2002:str"


class PlanError(BackendError):
    """A plan with mistakes.

    Attributes:
        problems: all mistakes, each as `line 7: …`, in the order of the lines.
    """

    code = "invalid_plan"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a workflow, for one or more agents. `depends_on` holds titles or keys of other steps."""

    title: str
    agents: tuple[str, ...]
    details: str = ""
    depends_on: tuple[str, ...] = ()
    key: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a workflow, and its title and details if the plan gives them."""

    steps: tuple[Step, ...]
    title: str | None = None
    details: str | None = None

    def agents(self) -> list[str]:
        """Return the agents of all steps, each once."""
        return list(dict.fromkeys(agent for step in self.steps for agent in step.agents))

    def waits_for(self) -> list[list[int]]:
        """Return for each step the positions (from 0) of the steps that it depends on."""
        places = {name: place for place, step in enumerate(self.steps) for name in (step.title, step.key)}
        return [[places[name] for name in step.depends_on] for step in self.steps]


def default_plan(description: str) -> Plan:
    """Return the plan for a mere description: design, implement, test, one after the other."""
    subject = description.strip().splitlines()[0][:500]
    design, implement, test = (f"{verb}: {subject}" for verb in ("Design", "Implement", "Write tests"))
    return Plan(
        (
            Step(
                design,
                ("architect-agent",),
                f"Design what the others will build, and say why.\n\n{description}",
            ),
            Step(implement, ("coding-agent",), f"Implement what was designed.\n\n{description}", (design,)),
            Step(
                test, ("test-agent",), f"Write tests for what was implemented.\n\n{description}", (implement,)
            ),
        )
    )


def read_plan(text: str) -> Plan:
    """Parse a plan: a list of steps, or a mapping with `title`, `details` and `subtasks`.

    Raises:
        PlanError: with all mistakes.
    """
    reader = _Reader()
    plan = reader.plan(_compose(text))
    if plan is not None:
        reader.references([step for step in plan.steps if step.title])
    if plan is None or reader.problems:
        raise PlanError([f"line {line}: {problem}" for line, problem in sorted(reader.problems)])
    return plan


def _compose(text: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PlanError([f"line {mark.line + 1 if mark else 1}: not YAML: {error.problem}"]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PlanError([f"line {line}: not YAML: a character that it forbids ({error.reason})"]) from None
    except RecursionError:
        raise PlanError(["line 1: nested too deeply for a plan"]) from None


@dataclass
class _Reader:
    """Walks the YAML nodes and collects mistakes, with their lines."""

    problems: list[tuple[int, str]] = field(default_factory=list)

    def plan(self, root: Node | None) -> Plan | None:
        if isinstance(root, MappingNode):
            values = self._mapping(root, PLAN_KEYS, "the plan")
            title, details = (self._text(values.get(name), name) for name in ("title", "details"))
            if "subtasks" not in values:
                self._complain(root, "the plan has no subtasks")
            return Plan(self._steps(values.get("subtasks")), title, details)
        if isinstance(root, SequenceNode):
            return Plan(self._steps(root))
        self._complain(root, "a plan is a list of steps, or a mapping with title and subtasks")
        return None

    def references(self, steps: Sequence[Step]) -> None:
        """Check the references between the steps: unique names, known dependencies, no cycle."""
        named: dict[str, Step] = {}
        for step in steps:
            for name in {step.title, step.key} - {None}:
                first = named.setdefault(str(name), step)
                if first is not step:
                    self.problems.append((step.line, f"{name!r} names the step on line {first.line} too"))
        for step in steps:
            for name in step.depends_on:
                if name not in named:
                    self.problems.append((step.line, f"{step.title!r} depends on {name!r}, which is no step"))
        self._cycle(named)

    def _cycle(self, named: Mapping[str, Step]) -> None:
        def following(title: str) -> list[str]:
            return [named[name].title for name in named[title].depends_on if name in named]

        if path := find_cycle([step.title for step in named.values()], following):
            self.problems.append((named[path[0]].line, f"each waits for the next: {' → '.join(path)}"))

    def _steps(self, node: Node | None) -> tuple[Step, ...]:
        if node is None:
            return ()
        if not isinstance(node, SequenceNode) or not node.value:
            self._complain(node, "the steps must be a list with at least one step")
            return ()
        steps = [self._step(each) for each in node.value]
        return tuple(step for step in steps if step is not None)

    def _step(self, node: Node) -> Step | None:
        if not isinstance(node, MappingNode):
            self._complain(node, "a step is a mapping with a title and an agent")
            return None
        values = self._mapping(node, STEP_KEYS, "a step")
        for name in ("title", "agent"):
            if name not in values:
                self._complain(node, f"the step has no {name}")
        return Step(
            title=self._text(values.get("title"), "title") or "",
            agents=self._agents(values.get("agent")),
            details=self._text(values.get("details"), "details") or "",
            depends_on=self._names(values.get("depends_on")),
            key=self._text(values.get("key"), "key"),
            line=node.start_mark.line + 1,
        )

    def _mapping(self, node: MappingNode, known: Sequence[str], what: str) -> dict[str, Node]:
        values: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else "…"
            name = OTHER_NAMES.get(name, name) if known is STEP_KEYS else name
            if name not in known:
                self._complain(key, f"unknown key {name!r} (the keys of {what}: {', '.join(known)})")
            elif name in values:
                self._complain(key, f"{name} is given twice")
            else:
                values[name] = value
        return values

    def _text(self, node: Node | None, name: str) -> str | None:
        if node is None:
            return None
        if not isinstance(node, ScalarNode) or node.tag != STR:
            kind = node.tag.rpartition(":")[2]
            self._complain(node, f"{name} must be text, not {kind} (put it in quotes)")
        elif not node.value.strip():
            self._complain(node, f"{name} is empty")
        return str(node.value) if isinstance(node, ScalarNode) else None

    def _agents(self, node: Node | None) -> tuple[str, ...]:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        if not nodes:
            self._complain(node, "the step has no agent")
        return tuple(dict.fromkeys(self._agent(each) for each in nodes))

    def _agent(self, node: Node | None) -> str:
        text = (self._text(node, "agent") or "").removeprefix("@")
        if text and node is not None and node.tag == STR and not re.fullmatch(AGENT_PATTERN, text):
            self._complain(node, f"{text!r} can't be an agent's name")
        return text

    def _names(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        return tuple(dict.fromkeys(self._text(each, "depends_on") or "" for each in nodes))

    def _complain(self, node: Node | None, problem: str) -> None:
        self.problems.append((node.start_mark.line + 1 if node else 1, problem))
