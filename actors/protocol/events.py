"""What a backend tells: facts about tasks, subtasks and agents, whatever dialect they came in.

A field that is None was not said; that is not the same as empty.
"""

from typing import Literal

from actors.protocol.base import AgentName, Model, NodeId, Text

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
    """One fact.

    Attributes:
        key: The backend's own id of this event; the same key is the same event.
        seq: Its place in the backend's order (rising), where the backend has one.
        at: When it happened, as the backend wrote it.
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
        """The id of the task or subtask that it is about."""
        return None


class NodeEvent(BackendEvent):
    """A fact about a task or a subtask, which the graph calls a node."""

    entity: Entity
    id: NodeId
    parent: NodeId | None = None
    title: Text | None = None

    @property
    def subject(self) -> str | None:
        """The node's id."""
        return self.id


class NodeDescribed(NodeEvent):
    """What a created or an updated node looks like."""

    details: Text | None = None
    assignees: tuple[AgentName, ...] | None = None
    dependencies: tuple[NodeId, ...] | None = None
    status: Text | None = None


class NodeCreated(NodeDescribed):
    """A task or subtask came into being."""

    @property
    def kind(self) -> EventKind:
        """``task.created`` or ``subtask.created``."""
        return "task.created" if self.entity == "task" else "subtask.created"


class NodeUpdated(NodeDescribed):
    """A task or subtask changed; fields that are None stayed as they were."""

    @property
    def kind(self) -> EventKind:
        """``task.updated`` or ``subtask.updated``."""
        return "task.updated" if self.entity == "task" else "subtask.updated"


class NodeCompleted(NodeEvent):
    """A task or subtask is done, with what came of it."""

    summary: Text | None = None
    insights: tuple[Text, ...] = ()
    files: tuple[Text, ...] = ()
    by: Text | None = None

    @property
    def kind(self) -> EventKind:
        """``task.completed`` or ``subtask.completed``."""
        return "task.completed" if self.entity == "task" else "subtask.completed"


class NodeDeleted(NodeEvent):
    """A task or subtask is gone."""

    @property
    def kind(self) -> EventKind:
        """``task.deleted`` or ``subtask.deleted``."""
        return "task.deleted" if self.entity == "task" else "subtask.deleted"


class AgentBlocked(BackendEvent):
    """An agent cannot go on by itself."""

    agent: AgentName
    subtask_id: NodeId | None = None
    reason: Text = ""

    @property
    def kind(self) -> EventKind:
        """``agent.blocked``."""
        return "agent.blocked"

    @property
    def subject(self) -> str | None:
        """The subtask that it is blocked on."""
        return self.subtask_id


class AgentMessage(BackendEvent):
    """Somebody has something to say to an agent."""

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
        """The subtask that the message is about."""
        return self.subtask_id


AnyNodeEvent = NodeCreated | NodeUpdated | NodeCompleted | NodeDeleted
Event = AnyNodeEvent | AgentBlocked | AgentMessage
