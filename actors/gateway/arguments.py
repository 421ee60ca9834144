"""Types for arguments that models send: limited in size, and lenient where the meaning is clear."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from actors.protocol.base import AgentName, Text
from actors.protocol.node_ids import NodeId

KIB = 1024


class Arguments(BaseModel):
    """The arguments of a call. Unknown ones are ignored, so that a report doesn't fail because of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def explain(error: ValidationError) -> str:
    """Return one line for each problem, as a model can act on them; the input is not repeated."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"]) or "arguments"
        lines.append(f"- {where}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _at_most(limit: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        size = len(value.encode())
        if size > limit:
            raise ValueError(f"is {size} bytes long, but at most {limit} are accepted; shorten it")
        return value

    return check


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _as_list(value: object) -> object:
    """Return a list that was sent as text: JSON, or a single item."""
    if value is None:
        return []
    if not isinstance(value, str):
        return value
    try:
        parsed: Any = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, list):
        return parsed
    return [value] if value.strip() else []


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _without_at(value: object) -> object:
    return value.strip().removeprefix("@") if isinstance(value, str) else value


Line = Annotated[Text, AfterValidator(_at_most(4 * KIB)), AfterValidator(_said)]
Words = Annotated[Text, AfterValidator(_at_most(64 * KIB)), AfterValidator(_said)]
Summary = Annotated[Text, AfterValidator(_at_most(256 * KIB)), AfterValidator(_said)]
Insights = Annotated[tuple[Words, ...], Field(max_length=200), BeforeValidator(_as_list)]
Files = Annotated[tuple[Line, ...], Field(max_length=2000), BeforeValidator(_as_list)]
Agent = Annotated[AgentName, BeforeValidator(_without_at)]
Subtask = Annotated[NodeId | None, BeforeValidator(_blank_is_none)]
