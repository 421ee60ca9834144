"""The backend's errors, under one root. Each has a code for programs and a sentence for people."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy.exc import DBAPIError


class BackendError(Exception):
    """The root of everything that the backend raises on purpose.

    Attributes:
        code: identifies the error for programs; the same over REST, the WebSocket and MCP.
        status: the HTTP status that goes with it.
        fields: the values concerned, by name (ids, the path of a cycle, input fields).
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(self, message: str, /, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields: Mapping[str, object] = fields


class InvalidError(BackendError):
    """The input is invalid; `fields` holds a sentence for each field."""

    code = "invalid"
    status = 422

    @classmethod
    def of(cls, problems: Sequence[Mapping[str, Any]]) -> "InvalidError":
        """Convert pydantic's errors to a sentence for each field, with keys such as `subtasks.0.title`."""
        fields = {".".join(str(part) for part in each["loc"]) or "body": each["msg"] for each in problems}
        return cls("; ".join(f"{name}: {text}" for name, text in fields.items()), **fields)


class UnknownTaskError(BackendError):
    """There is no such task."""

    code = "unknown_task"
    status = 404

    def __init__(self, item_id: str) -> None:
        super().__init__(f"there is no task {item_id!r}", id=item_id)


class UnknownSubtaskError(BackendError):
    """There is no such subtask."""

    code = "unknown_subtask"
    status = 404

    def __init__(self, item_id: str) -> None:
        super().__init__(f"there is no subtask {item_id!r}", id=item_id)


class UnknownDependencyError(BackendError):
    """A dependency does not exist."""

    code = "unknown_dependency"
    status = 422

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"unknown dependencies: {', '.join(ids)}", dependencies=list(ids))


class DependencyCycleError(BackendError):
    """The dependencies would form a cycle, so something would wait for itself."""

    code = "dependency_cycle"
    status = 422

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(f"each of these would wait for the next: {' → '.join(path)}", path=list(path))


class IdTakenError(BackendError):
    """Ids chosen by the client are in use."""

    code = "id_taken"
    status = 409

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"ids already in use: {', '.join(ids)}", ids=list(ids))


class AlreadyDoneError(BackendError):
    """A done task or subtask can be deleted, but not changed."""

    code = "already_done"
    status = 409

    def __init__(self, item_id: str) -> None:
        super().__init__(f"{item_id!r} is done and can no longer be changed", id=item_id)


class ItemCancelledError(BackendError):
    """A cancelled task or subtask must be reopened before it can be completed."""

    code = "cancelled"
    status = 409

    def __init__(self, item_id: str) -> None:
        super().__init__(f"{item_id!r} is cancelled: set its status to todo first", id=item_id)


class OpenSubtasksError(BackendError):
    """A task can't be completed while it has open subtasks."""

    code = "open_subtasks"
    status = 409

    def __init__(self, item_id: str, ids: Sequence[str]) -> None:
        super().__init__(f"{item_id!r} has open subtasks: {', '.join(ids)}", id=item_id, subtasks=list(ids))


class HasDependentsError(BackendError):
    """A task or subtask can't be deleted while others depend on it."""

    code = "has_dependents"
    status = 409

    def __init__(self, item_id: str, ids: Sequence[str]) -> None:
        super().__init__(
            f"others depend on {item_id!r}: {', '.join(ids)} (cancel it, or change their dependencies first)",
            id=item_id,
            dependents=list(ids),
        )


class UnavailableError(BackendError):
    """The database can't be used at the moment; a later attempt may succeed."""

    code = "unavailable"
    status = 503

    @classmethod
    def of(cls, error: DBAPIError) -> "UnavailableError":
        """Convert a passing error of the database."""
        return cls(f"the database can't be used at the moment ({error.orig}); try again")


class WorkDirError(BackendError):
    """The work directory, or a file in it, is not safe for a token."""

    code = "work_dir_refused"


class DatabaseError(BackendError):
    """The database can't be opened."""

    code = "database_refused"


class AlreadyRunningError(BackendError):
    """The port or the work directory is in use."""

    code = "already_running"


class AddressError(BackendError):
    """The server can't listen on the address."""

    code = "address_refused"
