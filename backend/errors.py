"""What the backend refuses, and why: one root, each with a code for programs and a sentence for people."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class BackendError(Exception):
    """The root of everything that the backend raises on purpose.

    Attributes:
        code: what a program decides on; the same over REST, the WebSocket and MCP.
        status: the HTTP status that goes with it.
        fields: what the refusal is about, by name (ids, the path of a cycle, input fields).
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(self, message: str, /, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields: Mapping[str, object] = fields


class InvalidError(BackendError):
    """The input is not what it has to be; `fields` holds a sentence for each field."""

    code = "invalid"
    status = 422

    @classmethod
    def of(cls, problems: Sequence[Mapping[str, Any]]) -> "InvalidError":
        """From pydantic's errors: a sentence for each field, as `subtasks.0.title`."""
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
    """Something is to depend on what does not exist."""

    code = "unknown_dependency"
    status = 422

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"unknown dependencies: {', '.join(ids)}", dependencies=list(ids))


class DependencyCycleError(BackendError):
    """What is asked for could never be finished: something would wait for itself."""

    code = "dependency_cycle"
    status = 422

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(f"each of these would wait for the next: {' → '.join(path)}", path=list(path))


class IdTakenError(BackendError):
    """The client chose ids that are in use."""

    code = "id_taken"
    status = 409

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"ids already in use: {', '.join(ids)}", ids=list(ids))


class AlreadyDoneError(BackendError):
    """A finished task or subtask is history: it can be deleted, but not changed."""

    code = "already_done"
    status = 409

    def __init__(self, item_id: str) -> None:
        super().__init__(f"{item_id!r} is done and can no longer be changed", id=item_id)


class ItemCancelledError(BackendError):
    """A cancelled task or subtask has to be reopened before work on it counts."""

    code = "cancelled"
    status = 409

    def __init__(self, item_id: str) -> None:
        super().__init__(f"{item_id!r} is cancelled: set its status to todo first", id=item_id)


class OpenSubtasksError(BackendError):
    """A task is done when its subtasks are, not before."""

    code = "open_subtasks"
    status = 409

    def __init__(self, item_id: str, ids: Sequence[str]) -> None:
        super().__init__(f"{item_id!r} has open subtasks: {', '.join(ids)}", id=item_id, subtasks=list(ids))


class HasDependentsError(BackendError):
    """What others wait for is not deleted under them."""

    code = "has_dependents"
    status = 409

    def __init__(self, item_id: str, ids: Sequence[str]) -> None:
        super().__init__(
            f"others depend on {item_id!r}: {', '.join(ids)} (cancel it, or change their dependencies first)",
            id=item_id,
            dependents=list(ids),
        )


class WorkDirError(BackendError):
    """The work directory, or a file in it, can't be trusted with a token."""

    code = "work_dir_refused"


class DatabaseError(BackendError):
    """The database can't be opened."""

    code = "database_refused"


class AlreadyRunningError(BackendError):
    """The port or the work directory is in use."""

    code = "already_running"


class AddressError(BackendError):
    """The address can't be listened on."""

    code = "address_refused"
