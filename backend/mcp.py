"""The MCP interface: the service as tools for a model, over streamable HTTP, without sessions."""

from collections.abc import Awaitable
from typing import Annotated, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import Field
from starlette.applications import Starlette

from backend.errors import BackendError
from backend.fields import MAX_BODY, Agents, Ids, ItemId, Lines, Name, Status, Text, Title
from backend.requests import Completion, NewSubtask, NewTask, Patch
from backend.runtime import PRODUCT, Runtime
from backend.views import SubtaskPage, SubtaskView, TaskPage, TaskTree

T = TypeVar("T")

INSTRUCTIONS = """\
Tasks and their subtasks, each for one or more agents. A subtask waits for all its dependencies; when they are
done it is told their completion summaries, insights and files. A task is done when its last subtask is."""

Limit = Annotated[int, Field(ge=1, le=1_000, description="how many at most")]
Offset = Annotated[int, Field(ge=0, le=2**62, description="how many to skip; see next_offset")]
TaskId = Annotated[ItemId, Field(description="the task's id")]
SubtaskId = Annotated[ItemId, Field(description="the subtask's id")]
OwnId = Annotated[ItemId | None, Field(description="an id of your own choice; else one is made")]
Assignees = Annotated[Agents, Field(description="the agents to do it, such as coding-agent")]
DependsOn = Annotated[Ids, Field(description="ids of tasks or subtasks that must be done first")]


class Tools:
    """The tools. A model reads their docstrings.

    Args:
        runtime: the backend.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def create_task(
        self,
        title: Title,
        details: Text = "",
        assignees: Assignees = [],  # noqa: B006 (never changed; the schema shows it)
        depends_on: DependsOn = [],  # noqa: B006
        project: Name | None = None,
        branch: Name | None = None,
        id: OwnId = None,  # noqa: A002 (the name in the other interfaces)
        subtasks: Annotated[
            list[NewSubtask],
            Field(description="created with the task; they may depend on each other by their keys"),
        ] = [],  # noqa: B006
    ) -> TaskTree:
        """Create a task, best together with all its subtasks: either all of it is created or nothing."""
        new = NewTask(
            id=id,
            title=title,
            details=details,
            assignees=assignees,
            dependencies=depends_on,
            project=project,
            branch=branch,
            subtasks=subtasks,
        )
        return await _told(self._runtime.write(self._runtime.service.create_task, new))

    async def create_subtask(
        self,
        task_id: TaskId,
        title: Title,
        details: Text = "",
        assignees: Assignees = [],  # noqa: B006
        depends_on: DependsOn = [],  # noqa: B006
        id: OwnId = None,  # noqa: A002
    ) -> SubtaskView:
        """Create a subtask of an open task."""
        new = NewSubtask(id=id, title=title, details=details, assignees=assignees, dependencies=depends_on)
        return await _told(self._runtime.write(self._runtime.service.add_subtask, task_id, new))

    async def update_subtask(
        self,
        subtask_id: SubtaskId,
        title: Title | None = None,
        details: Text | None = None,
        assignees: Agents | None = None,
        depends_on: Ids | None = None,
        status: Status | None = None,
    ) -> SubtaskView:
        """Change a subtask; what you leave out stays. To finish it call complete_subtask, with a summary."""
        patch = Patch(
            title=title, details=details, assignees=assignees, dependencies=depends_on, status=status
        )
        return await _told(self._runtime.write(self._runtime.service.update_subtask, subtask_id, patch))

    async def complete_subtask(
        self,
        subtask_id: SubtaskId,
        completion_summary: Annotated[
            Text, Field(description="what was done, for those who build on it; they see nothing else")
        ],
        insights_found: Annotated[Lines, Field(description="what others should know")] = [],  # noqa: B006
        files_modified: Annotated[Lines, Field(description="paths, with lines if useful")] = [],  # noqa: B006
        completed_by: Annotated[Name | None, Field(description="your agent's name")] = None,
    ) -> SubtaskView:
        """Report a subtask as done; those that depend on it start at once. Doing so again changes nothing."""
        completion = Completion(
            completion_summary=completion_summary,
            insights_found=insights_found,
            files_modified=files_modified,
            completed_by=completed_by,
        )
        return await _told(
            self._runtime.write(self._runtime.service.complete_subtask, subtask_id, completion)
        )

    async def get_task(self, task_id: TaskId) -> TaskTree:
        """Show a task with all its subtasks."""
        return await _told(self._runtime.read(self._runtime.queries.task, task_id))

    async def list_tasks(
        self,
        status: Status | None = None,
        project: Name | None = None,
        branch: Name | None = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> TaskPage:
        """List tasks without their subtasks, oldest first."""
        page = self._runtime.read(
            self._runtime.queries.tasks,
            status=status,
            project=project,
            branch=branch,
            limit=limit,
            offset=offset,
        )
        return await _told(page)

    async def list_subtasks(self, task_id: TaskId, limit: Limit = 50, offset: Offset = 0) -> SubtaskPage:
        """List a task's subtasks, oldest first."""
        page = self._runtime.read(self._runtime.queries.subtasks, task_id, limit=limit, offset=offset)
        return await _told(page)


def create_server(runtime: Runtime) -> MCPServer:
    """Create the MCP server with its tools."""
    server: MCPServer = MCPServer(PRODUCT, instructions=INSTRUCTIONS, subscriptions=False)
    tools = Tools(runtime)
    for tool in (
        tools.create_task,
        tools.create_subtask,
        tools.update_subtask,
        tools.complete_subtask,
        tools.get_task,
        tools.list_tasks,
        tools.list_subtasks,
    ):
        server.add_tool(tool)
    return server


def http_app(server: MCPServer) -> Starlette:
    """Create the application at `/mcp`. It has no sessions, so nothing stays open when the backend stops."""
    return server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BODY,
        # DNS rebinding is no risk here: a browser's page has no token, whatever host it names.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


async def _told(answer: Awaitable[T]) -> T:
    """Turn a `BackendError` into an error that the model reads, with the code of the other interfaces."""
    try:
        return await answer
    except BackendError as error:
        raise ToolError(f"{error.message} [{error.code}]") from None
