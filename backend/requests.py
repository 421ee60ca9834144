"""What clients ask for: the bodies of REST requests, the arguments of MCP tools, the heart of publications.

An unknown field is refused: a misspelt `dependencies` must not become a task that starts at once.
"""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from backend.fields import AgentName, Agents, Ids, ItemId, Lines, Name, Status, Text, Title


class Request(BaseModel):
    """The base of what clients send: immutable, nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NewSubtask(Request):
    """A subtask to create.

    `key` names it for its neighbours in the same request, so that they can depend on it before it has an id.
    """

    key: ItemId | None = Field(default=None, description="a name for depends_on within this request")
    id: ItemId | None = Field(default=None, description="the client's own id; else one is made")
    title: Title
    details: Text = ""
    assignees: Agents = Field(
        default=[], validation_alias=AliasChoices("assignees", "agent"), description="agent names"
    )
    dependencies: Ids = Field(
        default=[],
        validation_alias=AliasChoices("depends_on", "dependencies"),
        description="what must be done first: keys of this request, or ids that exist",
    )


class NewTask(Request):
    """A task to create, with its subtasks: all of it or nothing."""

    id: ItemId | None = None
    title: Title
    details: Text = ""
    assignees: Agents = Field(default=[], validation_alias=AliasChoices("assignees", "agent"))
    dependencies: Ids = Field(default=[], validation_alias=AliasChoices("depends_on", "dependencies"))
    project: Name | None = None
    branch: Name | None = None
    subtasks: Annotated[list[NewSubtask], Field(max_length=10_000)] = []


class Patch(Request):
    """What to change; a field that is missing or null stays as it is."""

    title: Title | None = None
    details: Text | None = None
    assignees: Agents | None = None
    dependencies: Ids | None = None
    status: Status | None = None


class Completion(Request):
    """What a finished task or subtask leaves behind for those that wait for it."""

    completion_summary: Text = ""
    insights_found: Lines = []
    files_modified: Lines = []
    completed_by: Name | None = None


class NewMessage(Request):
    """A message to an agent, from a person or another agent, perhaps about a subtask."""

    message: Text
    sender: Name | None = Field(default=None, alias="from")
    subtask_id: ItemId | None = None


class Blocked(Request):
    """An agent can't go on."""

    agent: AgentName
    reason: Text = ""
    subtask_id: ItemId | None = None


class Publication(BaseModel):
    """An event that a client publishes on the WebSocket; unknown keys are ignored, as everywhere at the wire.

    `id` is the publisher's own key: the same key is applied once, however often it comes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: ItemId
    event_type: str
    payload: dict[str, Any]


class Target(Request):
    """The task or subtask that a publication is about."""

    id: ItemId


class Addressee(Request):
    """The agent that a message is for."""

    agent: AgentName
