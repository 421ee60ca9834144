"""Models of clients' requests: REST bodies, arguments of MCP tools, payloads of publications.

An unknown field is refused: a misspelt `dependencies` must not create a task that starts at once.
"""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from backend.fields import AgentName, Agents, Ids, ItemId, Lines, Name, Status, Text, Title

ASSIGNEES = AliasChoices("assignees", "agent")
DEPENDENCIES = AliasChoices("depends_on", "dependencies")
"""The names under which all interfaces, plans and publications take these two."""


class Request(BaseModel):
    """The base of all requests: immutable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NewSubtask(Request):
    """A subtask to create.

    `key` names it within the same request, so that its siblings can depend on it before it has an id.
    """

    key: ItemId | None = Field(default=None, description="a name for depends_on within this request")
    id: ItemId | None = Field(default=None, description="the client's own id; else one is made")
    title: Title
    details: Text = ""
    assignees: Agents = Field(
        default=[], validation_alias=ASSIGNEES, description="the agents to do it, such as coding-agent"
    )
    dependencies: Ids = Field(
        default=[],
        validation_alias=DEPENDENCIES,
        description="what must be done first: keys of this request, or ids that exist",
    )


class NewTask(Request):
    """A task to create, with its subtasks: all of it or nothing."""

    id: ItemId | None = Field(default=None, description="the client's own id; else one is made")
    title: Title
    details: Text = ""
    assignees: Agents = Field(default=[], validation_alias=ASSIGNEES, description="agent names")
    dependencies: Ids = Field(
        default=[],
        validation_alias=DEPENDENCIES,
        description="ids of tasks or subtasks that must be done first",
    )
    project: Name | None = None
    branch: Name | None = None
    subtasks: Annotated[list[NewSubtask], Field(max_length=10_000)] = []


class Patch(Request):
    """A change to a task or subtask. A field that is missing or null stays as it is."""

    title: Title | None = None
    details: Text | None = None
    assignees: Agents | None = Field(default=None, validation_alias=ASSIGNEES)
    dependencies: Ids | None = Field(default=None, validation_alias=DEPENDENCIES)
    status: Status | None = None
    blocked_reason: Text | None = Field(default=None, description="why, if the status is blocked")


class Completion(Request):
    """The result of a task or subtask, for those that depend on it."""

    completion_summary: Text = ""
    insights_found: Lines = []
    files_modified: Lines = []
    completed_by: Name | None = None


class NewMessage(Request):
    """A message to an agent, from a person or another agent; optionally about a subtask."""

    message: Text
    sender: Name | None = Field(
        default=None, validation_alias=AliasChoices("from", "sender"), description="who sends it"
    )
    subtask_id: ItemId | None = None


class Blocked(Request):
    """A report that an agent can't continue."""

    agent: AgentName
    reason: Text = ""
    subtask_id: ItemId | None = None


class Publication(BaseModel):
    """An event that a client publishes on the WebSocket. Unknown keys are ignored.

    `id` is the publisher's own key: however often it arrives, it is applied only once.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: ItemId
    event_type: str
    payload: dict[str, Any]


class Target(Request):
    """The reference to the task or subtask that a publication is about."""

    id: ItemId


class Addressee(Request):
    """The reference to the agent that a message is for."""

    agent: AgentName
