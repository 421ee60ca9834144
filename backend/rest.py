"""The REST interface: each route is one call of the service or of the queries.

Errors are `{"error": code, "message": …, "fields": {…}}`.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from backend.errors import BackendError, InvalidError, UnavailableError
from backend.fields import AgentName, Status
from backend.requests import Completion, NewMessage, NewSubtask, NewTask, Patch
from backend.runtime import Runtime
from backend.views import AgentPage, Receipt, SubtaskPage, SubtaskView, TaskPage, TaskTree, TaskView

RETRY_SECONDS = 2
"""The time after which a client is to try again, while the database is locked or its disk full."""

router = APIRouter(prefix="/api")


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Backend = Annotated[Runtime, Depends(_runtime)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Offset = Annotated[int, Query(ge=0, le=2**62)]


@router.post("/tasks", status_code=HTTPStatus.CREATED)
async def create_task(backend: Backend, new: NewTask) -> TaskTree:
    """Create a task with its subtasks, all in one transaction."""
    return await backend.write(backend.service.create_task, new)


@router.get("/tasks")
async def list_tasks(
    backend: Backend,
    status: Status | None = None,
    project: str | None = None,
    branch: str | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> TaskPage:
    """List tasks, oldest first."""
    return await backend.read(
        backend.queries.tasks, status=status, project=project, branch=branch, limit=limit, offset=offset
    )


@router.get("/tasks/{task_id}")
async def get_task(backend: Backend, task_id: str) -> TaskTree:
    """Show a task with its subtasks."""
    return await backend.read(backend.queries.task, task_id)


@router.patch("/tasks/{task_id}")
async def update_task(backend: Backend, task_id: str, patch: Patch) -> TaskView:
    """Change a task."""
    return await backend.write(backend.service.update_task, task_id, patch)


@router.delete("/tasks/{task_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_task(backend: Backend, task_id: str) -> None:
    """Delete a task with its subtasks."""
    await backend.write(backend.service.delete_task, task_id)


@router.post("/tasks/{task_id}/complete")
async def complete_task(
    backend: Backend, task_id: str, completion: Annotated[Completion | None, Body()] = None
) -> TaskView:
    """Complete a task."""
    return await backend.write(backend.service.complete_task, task_id, completion or Completion())


@router.post("/tasks/{task_id}/subtasks", status_code=HTTPStatus.CREATED)
async def create_subtask(backend: Backend, task_id: str, new: NewSubtask) -> SubtaskView:
    """Create a subtask of a task."""
    return await backend.write(backend.service.add_subtask, task_id, new)


@router.get("/tasks/{task_id}/subtasks")
async def list_subtasks(
    backend: Backend, task_id: str, limit: Limit = 100, offset: Offset = 0
) -> SubtaskPage:
    """List a task's subtasks, oldest first."""
    return await backend.read(backend.queries.subtasks, task_id, limit=limit, offset=offset)


@router.get("/subtasks/{subtask_id}")
async def get_subtask(backend: Backend, subtask_id: str) -> SubtaskView:
    """Show a subtask."""
    return await backend.read(backend.queries.subtask, subtask_id)


@router.patch("/subtasks/{subtask_id}")
async def update_subtask(backend: Backend, subtask_id: str, patch: Patch) -> SubtaskView:
    """Change a subtask."""
    return await backend.write(backend.service.update_subtask, subtask_id, patch)


@router.delete("/subtasks/{subtask_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_subtask(backend: Backend, subtask_id: str) -> None:
    """Delete a subtask."""
    await backend.write(backend.service.delete_subtask, subtask_id)


@router.post("/subtasks/{subtask_id}/complete")
async def complete_subtask(
    backend: Backend, subtask_id: str, completion: Annotated[Completion | None, Body()] = None
) -> SubtaskView:
    """Complete a subtask, and its task if it was the last one."""
    return await backend.write(backend.service.complete_subtask, subtask_id, completion or Completion())


@router.get("/agents")
async def list_agents(backend: Backend) -> AgentPage:
    """Show the agents that have open subtasks or are blocked."""
    return await backend.read(backend.queries.agents)


@router.post("/agents/{agent}/messages", status_code=HTTPStatus.CREATED)
async def send_message(backend: Backend, agent: Annotated[AgentName, Path()], new: NewMessage) -> Receipt:
    """Send a message to an agent."""
    return await backend.write(backend.service.send_message, agent, new)


def add_error_handlers(app: FastAPI) -> None:
    """Make the application answer every error in the same shape."""
    app.exception_handler(BackendError)(_on_backend_error)
    app.exception_handler(RequestValidationError)(_on_validation_error)
    app.exception_handler(OperationalError)(_on_locked_database)
    app.exception_handler(HTTPException)(_on_http_error)
    app.exception_handler(Exception)(_on_crash)


def _answer(status: int, code: str, message: str, fields: object = None) -> JSONResponse:
    return JSONResponse({"error": code, "message": message, "fields": fields or {}}, status_code=status)


async def _on_backend_error(_: Request, error: BackendError) -> JSONResponse:
    return _answer(error.status, error.code, error.message, error.fields)


async def _on_locked_database(request: Request, error: OperationalError) -> JSONResponse:
    answer = await _on_backend_error(request, UnavailableError.of(error))
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


async def _on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    # The first part of a location is `body`, `path` or `query`.
    problems = [{**each, "loc": each["loc"][1:]} for each in error.errors()]
    return await _on_backend_error(request, InvalidError.of(problems))


async def _on_http_error(_: Request, error: HTTPException) -> JSONResponse:
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return _answer(error.status_code, code, error.detail)


async def _on_crash(_request: Request, _error: Exception) -> JSONResponse:
    # The server logs the traceback; the client does not get internal details.
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the backend failed; its log says why")
