"""A node of the dependency graph: a task or subtask, as far as it is known."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from actors.protocol.events import Entity


class Status(StrEnum):
    """The status of a node, which is open while it is ``unknown`` or ``open``."""

    UNKNOWN = "unknown"
    """Known by its id only: another node depends on it, or it was completed before it was created."""
    OPEN = "open"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    COMPLETED = "completed"


CLOSED = frozenset({Status.CANCELLED, Status.DELETED, Status.COMPLETED})
FINALITY = {status: place for place, status in enumerate(Status)}
"""A later status is never undone by an earlier one, so that the order of arrival doesn't matter."""


class Hold(StrEnum):
    """The cause of a hold: a held node is not handed over, nor is its agent reminded of it."""

    BLOCKED = "blocked"
    """Its agent or the backend reported it as blocked."""
    UNFINISHED = "unfinished"
    """Its agent stopped without reporting an end."""
    CYCLE = "cycle"
    """It waits for itself."""
    UPSTREAM = "upstream"
    """It depends on something that was cancelled or deleted."""


BY_GRAPH = (Hold.CYCLE, Hold.UPSTREAM)
"""Holds that follow from the graph, and end when the graph changes."""
MANUAL = (Hold.BLOCKED, Hold.UNFINISHED)
"""Holds that end when a person or the backend answers: by a message, an edit or ``retry``."""


@dataclass(slots=True)
class Node:
    """A task or subtask. Fields that are None were never given.

    Attributes:
        told: Its status in the backend's own words, as last received.
        upstreams: The ids of the nodes that it depends on.
        released: True once its assignees were given it, or will be as soon as they are idle.
        started: True once an agent has begun to work on it.
        hold: The cause of its hold; None if it isn't held.
        reason: The reason of its hold, for people.
        by: The agent that completed it.
        times: The times at which it was created, reopened, released, started and closed, and of the last file that
            reported on it, in seconds since the epoch.
        revs: The backend's sequence number that each field comes from.
        dependents: The ids of the nodes that depend on it.
        pending: The ids of its upstreams that aren't completed.
        broken: The pending upstreams that were cancelled or deleted, with their status.
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
        """True if nothing more is to be done for it."""
        return self.status in CLOSED

    @property
    def name(self) -> str:
        """Its title, or its id if it has none."""
        return self.title or self.id

    @property
    def state(self) -> str:
        """Its state for people, as one word."""
        return state_word(self.status, hold=self.hold, started=self.started, released=self.released)


def state_word(status: str, *, hold: str | None, started: bool, released: bool) -> str:
    """Return a node's state for people, as one word."""
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
"""The default of each field, which isn't saved."""


def to_document(node: Node) -> dict[str, Any]:
    """Return what the journal keeps of a node, beside its id, status and edges."""
    values = ((name, getattr(node, name)) for name in SAVED)
    return {name: value for name, value in values if value != UNSAID[name]}


def from_document(node_id: str, status: str, document: dict[str, Any]) -> Node:
    """Build the node that ``to_document`` wrote."""
    for name in TUPLES:
        if name in document:
            document[name] = tuple(document[name])
    if "hold" in document:
        document["hold"] = Hold(document["hold"])
    return Node(id=node_id, status=Status(status), **document)
