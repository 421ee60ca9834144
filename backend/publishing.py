"""Clients' own events: applied by the same rules, and deduplicated by the publisher's key."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo

from backend import rules
from backend.change import Change
from backend.errors import InvalidError
from backend.fields import Status
from backend.requests import Addressee, Blocked, Completion, NewMessage, Patch, Publication, Request, Target

R = TypeVar("R", bound=Request)


def apply(change: Change, publication: Publication) -> int:
    """Apply an event that a client publishes. A repeated key is applied only once.

    Returns:
        The sequence number of the resulting event, or of the existing event with the same meaning.

    Raises:
        InvalidError: its type can't be published, or its payload does not fit the type.
    """
    handle = _PUBLISHABLE.get(publication.event_type)
    if handle is None:
        message = f"can't be published, only {', '.join(_PUBLISHABLE)}"
        raise InvalidError(f"event_type: {message}", event_type=message)
    earlier = change.seq_of(publication.id)
    return earlier or handle(change, publication.payload, publication.id)


def _read(model: type[R], payload: Mapping[str, Any]) -> R:
    """Validate the part of a payload that the model knows."""
    names = {each for name, field in model.model_fields.items() for each in _names(name, field)}
    try:
        return model.model_validate({name: value for name, value in payload.items() if name in names})
    except ValidationError as error:
        raise InvalidError.of(error.errors(include_url=False, include_input=False)) from None


def _names(name: str, field: FieldInfo) -> Collection[str]:
    """Return the names under which a model takes a field."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [each for each in alias.choices if isinstance(each, str)]
    return [name]


def _subtask_completed(change: Change, payload: Mapping[str, Any], key: str) -> int:
    subtask = change.subtask(_read(Target, payload).id)
    return rules.complete(change, subtask, _read(Completion, payload), key=key)


def _subtask_updated(change: Change, payload: Mapping[str, Any], key: str) -> int:
    subtask = change.subtask(_read(Target, payload).id)
    patch = _read(Patch, payload)
    if patch.status == Status.IN_PROGRESS and not subtask.is_open:
        return subtask.seq  # an agent that begins doesn't know yet that it was closed meanwhile
    return rules.update(change, subtask, patch, key=key)


def _task_completed(change: Change, payload: Mapping[str, Any], key: str) -> int:
    task = change.task(_read(Target, payload).id)
    return rules.complete(change, task, _read(Completion, payload), key=key)


def _agent_blocked(change: Change, payload: Mapping[str, Any], key: str) -> int:
    return rules.block(change, _read(Blocked, payload), key=key)


def _agent_message(change: Change, payload: Mapping[str, Any], key: str) -> int:
    return rules.message(change, _read(Addressee, payload).agent, _read(NewMessage, payload), key=key)


_PUBLISHABLE = {
    "subtask.completed": _subtask_completed,
    "subtask.updated": _subtask_updated,
    "task.completed": _task_completed,
    "agent.blocked": _agent_blocked,
    "agent.message": _agent_message,
}
