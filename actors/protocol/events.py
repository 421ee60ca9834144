"""The backend's events, about tasks, subtasks and agents, in whatever dialect they came in.

A field that is None was not given, which is not the same as empty.

To add a kind: add its name to ``EventKind``, its model to ``Event``, and a line to ``MODELS``.
"""

from typing import Literal, get_args

from actors.protocol.base import AgentName, Model, Text
from actors.protocol.node_ids import NodeId

Entity = Literal["task", "subtask"]

EventKind = Literal[
    "task.created",
    "task.updated",
    "task.completed",
    "task.deleted",
    "subtask.created",
    "subtask.updated",
    "subtask.completed",
    "subtask.deleted",
    "agent.blocked",
    "agent.message",
]
"""The events' names, in every dialect."""


class BackendEvent(Model):
    """The base of all events.

    Attributes:
        key: The backend's own id of the event. Two events with the same key are the same event.
        seq: Its sequence number (rising), if the backend numbers its events.
        at: The time at which it happened, as the backend wrote it.
    """

    key: Text | None = None
    seq: int | None = None
    at: Text | None = None

    @property
    def kind(self) -> EventKind:
        """The event's name, such as ``subtask.completed``."""
        raise NotImplementedError

    @property
    def subject(self) -> str | None:
        """The id of the task or subtask that it is about, or None."""
        return None


class NodeEvent(BackendEvent):
    """The base of events about a task or subtask, which the graph calls a node."""

    entity: Entity
    id: NodeId
    parent: NodeId | None = None
    title: Text | None = None

    @property
    def subject(self) -> str | None:
        """The node's id."""
        return self.id


class NodeDescribed(NodeEvent):
    """The base of events that describe a node."""

    details: Text | None = None
    assignees: tuple[AgentName, ...] | None = None
    dependencies: tuple[NodeId, ...] | None = None
    status: Text | None = None


class NodeCreated(NodeDescribed):
    """The creation of a task or subtask."""

    @property
    def kind(self) -> EventKind:
        """``task.created`` or ``subtask.created``."""
        return "task.created" if self.entity == "task" else "subtask.created"


class NodeUpdated(NodeDescribed):
    """A change of a task or subtask. Fields that are None are unchanged."""

    @property
    def kind(self) -> EventKind:
        """``task.updated`` or ``subtask.updated``."""
        return "task.updated" if self.entity == "task" else "subtask.updated"


class NodeCompleted(NodeEvent):
    """The completion of a task or subtask, with its result."""

    summary: Text | None = None
    insights: tuple[Text, ...] = ()
    files: tuple[Text, ...] = ()
    by: Text | None = None

    @property
    def kind(self) -> EventKind:
        """``task.completed`` or ``subtask.completed``."""
        return "task.completed" if self.entity == "task" else "subtask.completed"


class NodeDeleted(NodeEvent):
    """The deletion of a task or subtask."""

    @property
    def kind(self) -> EventKind:
        """``task.deleted`` or ``subtask.deleted``."""
        return "task.deleted" if self.entity == "task" else "subtask.deleted"


class AgentBlocked(BackendEvent):
    """Notice that an agent is blocked."""

    agent: AgentName
    subtask_id: NodeId | None = None
    reason: Text = ""

    @property
    def kind(self) -> EventKind:
        """``agent.blocked``."""
        return "agent.blocked"

    @property
    def subject(self) -> str | None:
        """The id of the subtask that it is blocked on, or None."""
        return self.subtask_id


class AgentMessage(BackendEvent):
    """A message to an agent."""

    agent: AgentName
    sender: Text | None = None
    text: Text
    subtask_id: NodeId | None = None

    @property
    def kind(self) -> EventKind:
        """``agent.message``."""
        return "agent.message"

    @property
    def subject(self) -> str | None:
        """The id of the subtask that the message is about, or None."""
        return self.subtask_id


AnyNodeEvent = NodeCreated | NodeUpdated | NodeCompleted | NodeDeleted
Event = AnyNodeEvent | AgentBlocked | AgentMessage

MODELS: dict[EventKind, type[Event]] = {
    "task.created": NodeCreated,
    "task.updated": NodeUpdated,
    "task.completed": NodeCompleted,
    "task.deleted": NodeDeleted,
    "subtask.created": NodeCreated,
    "subtask.updated": NodeUpdated,
    "subtask.completed": NodeCompleted,
    "subtask.deleted": NodeDeleted,
    "agent.blocked": AgentBlocked,
    "agent.message": AgentMessage,
}
"""The model of each kind of event."""

if _missing := sorted({*get_args(EventKind)} - MODELS.keys()):
    raise TypeError(f"no model in MODELS for: {', '.join(_missing)}")
