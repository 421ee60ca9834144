"""A node of the dependency graph: a task or a subtask, as far as it is known."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from actors.protocol.events import Entity


class Status(StrEnum):
    """Where a node stands; ``unknown`` and ``open`` are the ones that can still change."""

    UNKNOWN = "unknown"
    """Only its name was heard: somebody depends on it, or it was completed before it was created."""
    OPEN = "open"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    COMPLETED = "completed"


CLOSED = frozenset({Status.CANCELLED, Status.DELETED, Status.COMPLETED})
FINALITY = {status: place for place, status in enumerate(Status)}
"""A later status is never undone by an earlier one, so that the order of arrival doesn't matter."""


class Hold(StrEnum):
    """Why an open node doesn't go on by itself."""

    BLOCKED = "blocked"
    """Its agent, or the backend, says that it is blocked."""
    UNFINISHED = "unfinished"
    """Its agent stopped without saying how it ended; a person has to look."""
    CYCLE = "cycle"
    """It waits for itself."""
    UPSTREAM = "upstream"
    """It depends on something that was cancelled or deleted."""


BY_GRAPH = (Hold.CYCLE, Hold.UPSTREAM)
"""Holds that follow from the graph, and go when the graph changes."""
FOR_A_PERSON = (Hold.BLOCKED, Hold.UNFINISHED)
"""Holds that last until somebody takes care of what is behind them."""


@dataclass(slots=True)
class Node:
    """What is known of a task or subtask. Fields that are None were never told.

    Attributes:
        told: Its status in the backend's own words, as last heard.
        upstreams: The ids of what it depends on.
        released: Its assignees were given it (or will be, as soon as they are idle).
        started: An agent has begun to work on it.
        revs: For each field the backend's sequence number that it comes from.
        dependents: The ids of what depends on it.
        pending: Those of its upstreams that aren't completed.
        broken: Those of its pending upstreams that never will be, with their status.
    """

    id: str
    entity: Entity = "subtask"
    status: Status = Status.UNKNOWN
    parent: str | None = None
    title: str | None = None
    details: str | None = None
    assignees: tuple[str, ...] | None = None
    told: str | None = None
    upstreams: tuple[str, ...] | None = None
    released: bool = False
    started: bool = False
    hold: Hold | None = None
    reason: str = ""
    summary: str = ""
    insights: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    by: str | None = None
    times: dict[str, float] = field(default_factory=dict)
    revs: dict[str, int] = field(default_factory=dict)
    dependents: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    broken: dict[str, Status] = field(default_factory=dict)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be done for it."""
        return self.status in CLOSED

    @property
    def name(self) -> str:
        """Its title, or its id where it has none."""
        return self.title or self.id

    @property
    def state(self) -> str:
        """One word for people: what is it doing?"""
        return state_word(self.status, hold=self.hold, started=self.started, released=self.released)


def state_word(status: str, *, hold: str | None, started: bool, released: bool) -> str:
    """Name what a node is doing, in one word for people."""
    if status != Status.OPEN:
        return str(status)
    if hold is not None:
        return "unfinished" if hold == Hold.UNFINISHED else "blocked"
    if started:
        return "working"
    return "ready" if released else "waiting"


SAVED = (
    "entity", "parent", "title", "details", "assignees", "told", "upstreams", "released", "started", "hold",
    "reason", "summary", "insights", "files", "by", "times", "revs",
)  # fmt: skip
TUPLES = ("assignees", "upstreams", "insights", "files")
UNSAID = {each.name: each.default for each in fields(Node)} | {"times": {}, "revs": {}}
"""What a field holds before anything was said of it, which isn't saved."""


def to_document(node: Node) -> dict[str, Any]:
    """What the journal keeps of a node beside its id, its status and its edges."""
    values = ((name, getattr(node, name)) for name in SAVED)
    return {name: value for name, value in values if value != UNSAID[name]}


def from_document(node_id: str, status: str, document: dict[str, Any]) -> Node:
    """The node that ``to_document`` wrote."""
    for name in TUPLES:
        if name in document:
            document[name] = tuple(document[name])
    if "hold" in document:
        document["hold"] = Hold(document["hold"])
    return Node(id=node_id, status=Status(status), **document)
