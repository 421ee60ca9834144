"""The MCP interface: the service as tools for a model, over streamable HTTP, without sessions.

A tool is a request of the other interfaces, with the id of what it is about. So it has the same fields under the same
names, and an unknown argument is refused.
"""

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from pydantic import AliasChoices, Field, ValidationError
from sqlalchemy.exc import OperationalError
from starlette.requests import Request as HttpRequest

from backend.errors import BackendError, InvalidError, UnavailableError
from backend.fields import MAX_BODY, AgentName, ItemId, Name, Status, Text
from backend.requests import Completion, NewMessage, NewSubtask, NewTask, Patch, Request
from backend.runtime import PRODUCT, Runtime
from backend.views import (
    AgentPage,
    Deleted,
    Receipt,
    SubtaskPage,
    SubtaskView,
    TaskPage,
    TaskTree,
    TaskView,
    View,
)

R = TypeVar("R", bound=Request)

INSTRUCTIONS = """\
Tasks and their subtasks, each for one or more agents. A subtask waits for all its dependencies; when they are
done it is told their completion summaries, insights and files. A task is done when its last subtask is."""

Context = ServerRequestContext[Any, HttpRequest]


class BackendTool(Request):
    """A tool. Its fields are the arguments of a call; its first words tell a model what it is for."""

    name: ClassVar[str]
    description: ClassVar[str]
    answer: ClassVar[type[View]]

    @abstractmethod
    async def run(self, backend: Runtime) -> View:
        """Carry out the call."""

    def _as(self, request: type[R]) -> R:
        """Return the part of the arguments that is this request; it is validated already."""
        values = {name: getattr(self, name) for name in request.model_fields}
        return request.model_construct(self.model_fields_set & set(values), **values)

    @classmethod
    def describe(cls) -> Tool:
        """Return the tool's definition for clients."""
        schema = cls.model_json_schema()
        schema.pop("description", None)
        return Tool(
            name=cls.name,
            description=cls.description,
            input_schema=schema,
            output_schema=cls.answer.model_json_schema(mode="serialization"),
        )


class OfTask(BackendTool):
    """A tool about a task."""

    task_id: ItemId = Field(validation_alias=AliasChoices("task_id", "id"), description="the task's id")


class OfSubtask(BackendTool):
    """A tool about a subtask."""

    subtask_id: ItemId = Field(
        validation_alias=AliasChoices("subtask_id", "id"), description="the subtask's id"
    )


class Paged(BackendTool):
    """A tool that lists something."""

    limit: int = Field(default=50, ge=1, le=1_000, description="how many at most")
    offset: int = Field(default=0, ge=0, le=2**62, description="how many to skip; see next_offset")


class CreateTask(BackendTool, NewTask):
    """The tool that creates a task."""

    name = "create_task"
    description = (
        "Create a task, best together with all its subtasks: either all of it is created or nothing. Subtasks may"
        " depend on each other by their keys."
    )
    answer = TaskTree

    async def run(self, backend: Runtime) -> View:
        """Create it."""
        return await backend.write(backend.service.create_task, self._as(NewTask))


class CreateSubtask(BackendTool, NewSubtask):
    """The tool that creates a subtask."""

    name = "create_subtask"
    description = "Create a subtask of an open task."
    answer = SubtaskView

    task_id: ItemId = Field(description="the task's id")

    async def run(self, backend: Runtime) -> View:
        """Create it."""
        return await backend.write(backend.service.add_subtask, self.task_id, self._as(NewSubtask))


class UpdateTask(OfTask, Patch):
    """The tool that changes a task."""

    name = "update_task"
    description = (
        "Change a task; what you leave out stays. Setting its status to cancelled cancels its subtasks."
    )
    answer = TaskView

    async def run(self, backend: Runtime) -> View:
        """Change it."""
        return await backend.write(backend.service.update_task, self.task_id, self._as(Patch))


class UpdateSubtask(OfSubtask, Patch):
    """The tool that changes a subtask."""

    name = "update_subtask"
    description = (
        "Change a subtask; what you leave out stays. To finish it call complete_subtask, with a summary."
    )
    answer = SubtaskView

    async def run(self, backend: Runtime) -> View:
        """Change it."""
        return await backend.write(backend.service.update_subtask, self.subtask_id, self._as(Patch))


class CompleteSubtask(OfSubtask, Completion):
    """The tool that completes a subtask."""

    name = "complete_subtask"
    description = (
        "Report a subtask as done; those that depend on it start at once, and see nothing but the summary, the"
        " insights and the files. Doing so again changes nothing."
    )
    answer = SubtaskView

    completion_summary: Text = Field(
        description="what was done, for those who build on it; they see nothing else"
    )

    async def run(self, backend: Runtime) -> View:
        """Complete it."""
        completion = self._as(Completion)
        return await backend.write(backend.service.complete_subtask, self.subtask_id, completion)


class DeleteTask(OfTask):
    """The tool that deletes a task."""

    name = "delete_task"
    description = (
        "Delete a task with its subtasks, unless others depend on them; to stop work on it, cancel it."
    )
    answer = Deleted

    async def run(self, backend: Runtime) -> View:
        """Delete it."""
        return await backend.write(backend.service.delete_task, self.task_id)


class DeleteSubtask(OfSubtask):
    """The tool that deletes a subtask."""

    name = "delete_subtask"
    description = "Delete a subtask, unless others depend on it; to stop work on it, cancel it."
    answer = Deleted

    async def run(self, backend: Runtime) -> View:
        """Delete it."""
        return await backend.write(backend.service.delete_subtask, self.subtask_id)


class GetTask(OfTask):
    """The tool that shows a task."""

    name = "get_task"
    description = "Show a task with all its subtasks; blocked_reason says why one is blocked."
    answer = TaskTree

    async def run(self, backend: Runtime) -> View:
        """Read it."""
        return await backend.read(backend.queries.task, self.task_id)


class GetSubtask(OfSubtask):
    """The tool that shows a subtask."""

    name = "get_subtask"
    description = "Show a subtask; blocked_reason says why it is blocked."
    answer = SubtaskView

    async def run(self, backend: Runtime) -> View:
        """Read it."""
        return await backend.read(backend.queries.subtask, self.subtask_id)


class ListTasks(Paged):
    """The tool that lists tasks."""

    name = "list_tasks"
    description = "List tasks without their subtasks, oldest first."
    answer = TaskPage

    status: Status | None = None
    project: Name | None = None
    branch: Name | None = None

    async def run(self, backend: Runtime) -> View:
        """Read them."""
        return await backend.read(
            backend.queries.tasks,
            status=self.status,
            project=self.project,
            branch=self.branch,
            limit=self.limit,
            offset=self.offset,
        )


class ListSubtasks(OfTask, Paged):
    """The tool that lists subtasks."""

    name = "list_subtasks"
    description = "List a task's subtasks, oldest first."
    answer = SubtaskPage

    async def run(self, backend: Runtime) -> View:
        """Read them."""
        return await backend.read(
            backend.queries.subtasks, self.task_id, limit=self.limit, offset=self.offset
        )


class ListAgents(BackendTool):
    """The tool that shows the agents' states."""

    name = "list_agents"
    description = (
        "Show the agents that have open subtasks or are blocked, with what they work on and what blocks them."
    )
    answer = AgentPage

    async def run(self, backend: Runtime) -> View:
        """Read them."""
        return await backend.read(backend.queries.agents)


class SendMessage(BackendTool, NewMessage):
    """The tool that sends a message to an agent."""

    name = "send_message"
    description = "Send a message to an agent; it reads it at once, also while it works."
    answer = Receipt

    agent: AgentName = Field(description="the agent's name, such as coding-agent")

    async def run(self, backend: Runtime) -> View:
        """Send it."""
        return await backend.write(backend.service.send_message, self.agent, self._as(NewMessage))


TOOLS: dict[str, type[BackendTool]] = {
    tool.name: tool
    for tool in (
        CreateTask,
        CreateSubtask,
        UpdateTask,
        UpdateSubtask,
        CompleteSubtask,
        DeleteTask,
        DeleteSubtask,
        GetTask,
        GetSubtask,
        ListTasks,
        ListSubtasks,
        ListAgents,
        SendMessage,
    )
}


class Tools:
    """Answers calls.

    Args:
        runtime: the backend.

    Attributes:
        manager: its HTTP side, to be run once.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        server = Server(PRODUCT, instructions=INSTRUCTIONS, on_list_tools=self._list, on_call_tool=self._call)
        # It has no sessions, so nothing stays open when the backend stops. DNS rebinding is no risk here: a browser's
        # page has no token, whatever host it names.
        self.manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=MAX_BODY
        )

    async def _list(self, _context: Context, _page: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.describe() for tool in TOOLS.values()])

    async def _call(self, _context: Context, call: CallToolRequestParams) -> CallToolResult:
        try:
            answer = await self._answer(call)
        except BackendError as error:
            return _result(f"{error.message} [{error.code}]", None)
        document = answer.model_dump(mode="json", by_alias=True)
        return _result(answer.model_dump_json(by_alias=True, indent=1), document)

    async def _answer(self, call: CallToolRequestParams) -> View:
        tool = TOOLS.get(call.name)
        if tool is None:
            raise InvalidError(f"there is no tool {call.name[:100]!r}; there are: {', '.join(TOOLS)}")
        try:
            wanted = tool.model_validate(call.arguments or {})
        except ValidationError as error:
            raise InvalidError.of(error.errors(include_url=False, include_input=False)) from None
        try:
            return await wanted.run(self._runtime)
        except OperationalError as error:
            raise UnavailableError.of(error) from error


def _result(text: str, document: dict[str, Any] | None) -> CallToolResult:
    is_refused = document is None
    return CallToolResult(content=[TextContent(text=text)], structured_content=document, is_error=is_refused)
