"""The reader of events in the design and the flat dialect, which share the names of fields."""

import re
from typing import Any, assert_never, get_args

from actors.connection.dialects.fields import EventFields
from actors.connection.dialects.parsed import Parsed, rejected
from actors.lib.lenient_json import quoted
from actors.protocol.events import (
    AgentBlocked,
    AgentMessage,
    Entity,
    Event,
    EventKind,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeUpdated,
)

Envelope = dict[str, Any]
"""The fields of every event: ``key``, ``seq`` and ``at``."""

ID_FIELDS = {"subtask": ("subtask_id", "id"), "task": ("id", "task_id")}
"""The fields that may hold a node's id, by its entity, in order of precedence."""
_DONE = ("done", "completed")
_LONGEST = 80
"""The most characters of an event's name that are looked at."""
_KINDS: dict[str, EventKind] = {kind: kind for kind in get_args(EventKind)}
_BETWEEN = re.compile(r"[\s._:/-]+|(?<=[a-z])(?=[A-Z])")
"""What separates the two words of an event's name, which may be written in one as well: ``SubtaskCreated``."""


def read_event(kind: object, envelope: Envelope, fields: EventFields) -> Parsed:
    """Read an event of the kind that a message names, or return why there is none."""
    known = event_kind(kind)
    if known is None:
        return rejected(f"unknown event type {quoted(kind)}")
    event = _read(known, envelope, fields)
    return Parsed(event=event, problems=tuple(dict.fromkeys(fields.problems)))


def event_kind(name: object) -> EventKind | None:
    """Return the kind of event that a message names, in whatever case and with whatever between its words, or None."""
    if not isinstance(name, str):
        return None
    return _KINDS.get(name) or _KINDS.get(".".join(_BETWEEN.split(name[:_LONGEST].strip())).lower())


def names_event(message: dict[str, Any], mark: str) -> bool:
    """Return whether a message names an event in this field, which may also be the ``type`` of a control message."""
    return mark in message and (mark != "type" or event_kind(message[mark]) is not None)


def _read(kind: EventKind, envelope: Envelope, fields: EventFields) -> Event | None:
    """Read an event of this kind: one row for each."""
    entity: Entity = "task" if kind.startswith("task.") else "subtask"
    event: Event | None
    match kind:
        case "task.created" | "subtask.created":
            event = _created(entity, envelope, fields)
        case "task.updated" | "subtask.updated":
            event = _updated(entity, envelope, fields)
        case "task.completed" | "subtask.completed":
            event = _completed(entity, envelope, fields)
        case "task.deleted" | "subtask.deleted":
            event = _deleted(entity, envelope, fields)
        case "agent.blocked":
            event = _blocked(envelope, fields)
        case "agent.message":
            event = _message(envelope, fields)
        case _:
            assert_never(kind)
    return event


def _identity(entity: Entity, envelope: Envelope, fields: EventFields) -> dict[str, Any] | None:
    """Read the fields that each event about a node has; return None, and add a problem, if it names no node.

    The specific name goes first: an ``id`` beside a ``subtask_id`` belongs to something else.
    """
    subtask = entity == "subtask"
    node = fields.required(fields.node, *ID_FIELDS[entity])
    if node is None:
        return None
    parent = fields.node("task_id", "parent_task_id") if subtask else None
    return {**envelope, "entity": entity, "id": node, "parent": parent, "title": fields.text("title", "name")}


def _described(fields: EventFields) -> dict[str, Any]:
    return {
        "details": fields.text("details", "description", "instruction"),
        "assignees": fields.agents("assignees", "assignee", "agent"),
        "dependencies": fields.nodes("dependencies", "depends_on"),
        "status": _status(fields),
    }


def _status(fields: EventFields) -> str | None:
    status = fields.text("status")
    return None if status is None else status.strip().lower()


def _created(entity: Entity, envelope: Envelope, fields: EventFields) -> Event | None:
    identity = _identity(entity, envelope, fields)
    return None if identity is None else NodeCreated(**identity, **_described(fields))


def _updated(entity: Entity, envelope: Envelope, fields: EventFields) -> Event | None:
    if _status(fields) in _DONE:
        return _completed(entity, envelope, fields)
    identity = _identity(entity, envelope, fields)
    return None if identity is None else NodeUpdated(**identity, **_described(fields))


def _completed(entity: Entity, envelope: Envelope, fields: EventFields) -> Event | None:
    identity = _identity(entity, envelope, fields)
    if identity is None:
        return None
    by = fields.text("completed_by")
    return NodeCompleted(
        **identity,
        summary=fields.text("completion_summary", "summary"),
        insights=fields.texts("insights_found", "insights") or (),
        files=fields.texts("files_modified", "files") or (),
        by=by and by.removeprefix("@"),
    )


def _deleted(entity: Entity, envelope: Envelope, fields: EventFields) -> Event | None:
    identity = _identity(entity, envelope, fields)
    return None if identity is None else NodeDeleted(**identity)


def _blocked(envelope: Envelope, fields: EventFields) -> Event | None:
    agent = fields.required(fields.agent, "agent", "assignee")
    if agent is None:
        return None
    subtask, reason = fields.node("subtask_id", "task_id"), fields.text("reason", "message", "text")
    return AgentBlocked(**envelope, agent=agent, subtask_id=subtask, reason=reason or "")


def _message(envelope: Envelope, fields: EventFields) -> Event | None:
    agent = fields.required(fields.agent, "agent", "to")
    text = fields.required(fields.text, "message", "text")
    if agent is None or text is None:
        return None
    sender, subtask = fields.text("from", "sender"), fields.node("subtask_id", "task_id")
    return AgentMessage(**envelope, agent=agent, sender=sender, text=text, subtask_id=subtask)
