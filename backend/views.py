"""Models of answers: the records that REST and MCP return, and the payloads of events."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.fields import Status


class View(BaseModel):
    """The base of all views: immutable, read from table rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class TaskState(View):
    """The payload of `task.created` and `task.updated`: always the complete task."""

    id: str
    title: str
    details: str
    assignees: list[str]
    dependencies: list[str]
    status: Status
    project: str | None
    branch: str | None
    blocked_reason: str


class SubtaskState(TaskState):
    """The payload of `subtask.created` and `subtask.updated`: always the complete subtask."""

    task_id: str


class Record(View):
    """The fields of a record beyond its state.

    `seq` is the number of the last event about it. Times are ISO 8601 in UTC.
    """

    completion_summary: str
    insights_found: list[str]
    files_modified: list[str]
    completed_by: str | None
    created_at: str
    updated_at: str
    seq: int


class TaskView(TaskState, Record):
    """A task."""


class SubtaskView(SubtaskState, Record):
    """A subtask."""


class TaskTree(TaskView):
    """A task with its subtasks, in the order of their creation."""

    subtasks: list[SubtaskView]


class TaskPage(View):
    """A page of tasks, oldest first; `next_offset` is null on the last page."""

    tasks: list[TaskView]
    next_offset: int | None


class SubtaskPage(View):
    """A page of a task's subtasks, oldest first; `next_offset` is null on the last page."""

    subtasks: list[SubtaskView]
    next_offset: int | None


class Completed(View):
    """The payload of `task.completed` and `subtask.completed`; a task's own `task_id` is null."""

    id: str
    task_id: str | None
    title: str
    assignees: list[str]
    status: Status
    completion_summary: str
    insights_found: list[str]
    files_modified: list[str]
    completed_by: str | None


class Deleted(View):
    """The payload of `task.deleted` and `subtask.deleted`; a task's own `task_id` is null."""

    id: str
    task_id: str | None


class AgentMessage(View):
    """The payload of `agent.message`."""

    agent: str
    sender: str | None = Field(serialization_alias="from")
    message: str
    subtask_id: str | None


class AgentBlocked(View):
    """The payload of `agent.blocked`."""

    agent: str
    subtask_id: str | None
    reason: str


class Blocked(View):
    """A reason why an agent is blocked; without `subtask_id` it is not about one of its subtasks."""

    subtask_id: str | None
    reason: str


class AgentView(View):
    """An agent: `working` on a subtask, else `blocked`, else `waiting` for what its subtasks depend on, or to begin."""

    agent: str
    state: Literal["blocked", "working", "waiting"]
    working_on: list[str]
    blocked: list[Blocked]
    waiting: list[str]


class AgentPage(View):
    """The agents that have open subtasks or are blocked, by name."""

    agents: list[AgentView]


class Receipt(View):
    """The sequence number of the event that a request has caused."""

    seq: int
