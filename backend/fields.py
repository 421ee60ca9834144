"""The types of single fields: ids, names and texts, with their bounds.

Lengths are in characters; `MAX_BODY` is in bytes.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

MAX_BODY = 16 * 1024 * 1024
"""The largest request body, and the largest WebSocket message, in bytes."""

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$"
AGENT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Status(StrEnum):
    """The status of a task or subtask. Done is final; cancelled can be reopened."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    DONE = "done"
    CANCELLED = "cancelled"


OPEN = (Status.TODO, Status.IN_PROGRESS, Status.BLOCKED)
"""The statuses of open items."""


def _without_at(value: object) -> object:
    return value.removeprefix("@") if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _visible(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


ItemId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
AgentName = Annotated[str, BeforeValidator(_without_at), StringConstraints(pattern=AGENT_PATTERN)]
# The length limit comes first: when pydantic counts characters, it also refuses half a surrogate pair, which
# JSON can express but no database or socket can carry.
Title = Annotated[str, Field(max_length=1_000), AfterValidator(_visible)]
Name = Annotated[str, Field(max_length=200), AfterValidator(_visible)]
Text = Annotated[str, Field(max_length=1_000_000)]
Line = Annotated[str, Field(max_length=20_000)]

Agents = Annotated[list[AgentName], BeforeValidator(_as_list), AfterValidator(_unique), Field(max_length=100)]
Ids = Annotated[list[ItemId], BeforeValidator(_as_list), AfterValidator(_unique), Field(max_length=1_000)]
Lines = Annotated[list[Line], Field(max_length=10_000)]
