"""The design dialect (``event_type`` and ``payload``) and the flat one (``event``, fields beside it)."""

from collections.abc import Callable
from typing import Any

from actors.connection.dialects.parsed import Parsed, rejected
from actors.lib.lenient_json import Fields, shown
from actors.protocol.events import (
    AgentBlocked,
    AgentMessage,
    Entity,
    Event,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeUpdated,
)

Envelope = dict[str, Any]
"""What every event carries: ``key``, ``seq`` and ``at``."""

_DONE = ("done", "completed")
_IDS = {"subtask": ("subtask_id", "id"), "task": ("id", "task_id")}


def is_design(message: dict[str, Any]) -> bool:
    """Whether a message is in the design dialect."""
    return "event_type" in message


def is_flat(message: dict[str, Any]) -> bool:
    """Whether a message is in the flat dialect."""
    return "event" in message


def read_design(message: dict[str, Any]) -> Parsed:
    """Read a message in the design dialect."""
    payload = message.get("payload")
    if not isinstance(payload, dict):
        return rejected(f"payload is {shown(payload) if payload is None else 'no object'}")
    outer = Fields(message)
    return _read(message["event_type"], _envelope(outer), Fields(payload, outer.problems))


def read_flat(message: dict[str, Any]) -> Parsed:
    """Read a message in the flat dialect; its ``id`` may be the node's, so it is not the event's key."""
    fields = Fields(message)
    return _read(message["event"], {"seq": fields.integer("seq"), "at": fields.text("timestamp")}, fields)


def _envelope(fields: Fields) -> Envelope:
    return {"key": fields.text("id"), "seq": fields.integer("seq"), "at": fields.text("timestamp")}


def _read(event_type: object, envelope: Envelope, fields: Fields) -> Parsed:
    reader = _READERS.get(event_type) if isinstance(event_type, str) else None
    if reader is None:
        return rejected(f"unknown event type {shown(event_type)}")
    event = reader(envelope, fields)
    return Parsed(event=event, problems=tuple(dict.fromkeys(fields.problems)))


def _identity(entity: Entity, envelope: Envelope, fields: Fields) -> dict[str, Any] | None:
    """The fields that each event about a node has; None, and a problem, if it names no node.

    The specific spelling goes first: an ``id`` beside a ``subtask_id`` is something else's.
    """
    subtask = entity == "subtask"
    node = fields.required(fields.node, *_IDS[entity])
    if node is None:
        return None
    parent = fields.node("task_id", "parent_task_id") if subtask else None
    return {**envelope, "entity": entity, "id": node, "parent": parent, "title": fields.text("title", "name")}


def _described(fields: Fields) -> dict[str, Any]:
    return {
        "details": fields.text("details", "description", "instruction"),
        "assignees": fields.agents("assignees", "assignee", "agent"),
        "dependencies": fields.nodes("dependencies", "depends_on"),
        "status": _status(fields),
    }


def _status(fields: Fields) -> str | None:
    status = fields.text("status")
    return None if status is None else status.strip().lower()


def _created(entity: Entity, envelope: Envelope, fields: Fields) -> Event | None:
    identity = _identity(entity, envelope, fields)
    return None if identity is None else NodeCreated(**identity, **_described(fields))


def _updated(entity: Entity, envelope: Envelope, fields: Fields) -> Event | None:
    if _status(fields) in _DONE:
        return _completed(entity, envelope, fields)
    identity = _identity(entity, envelope, fields)
    return None if identity is None else NodeUpdated(**identity, **_described(fields))


def _completed(entity: Entity, envelope: Envelope, fields: Fields) -> Event | None:
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


def _deleted(entity: Entity, envelope: Envelope, fields: Fields) -> Event | None:
    identity = _identity(entity, envelope, fields)
    return None if identity is None else NodeDeleted(**identity)


def _blocked(envelope: Envelope, fields: Fields) -> Event | None:
    agent = fields.required(fields.agent, "agent", "assignee")
    if agent is None:
        return None
    subtask, reason = fields.node("subtask_id", "task_id"), fields.text("reason", "message", "text")
    return AgentBlocked(**envelope, agent=agent, subtask_id=subtask, reason=reason or "")


def _message(envelope: Envelope, fields: Fields) -> Event | None:
    agent = fields.required(fields.agent, "agent", "to")
    text = fields.required(fields.text, "message", "text")
    if agent is None or text is None:
        return None
    sender, subtask = fields.text("from", "sender"), fields.node("subtask_id", "task_id")
    return AgentMessage(**envelope, agent=agent, sender=sender, text=text, subtask_id=subtask)


def _about(
    entity: Entity, reader: Callable[[Entity, Envelope, Fields], Event | None]
) -> Callable[[Envelope, Fields], Event | None]:
    return lambda envelope, fields: reader(entity, envelope, fields)


_READERS: dict[str, Callable[[Envelope, Fields], Event | None]] = {
    "agent.blocked": _blocked,
    "agent.message": _message,
    **{
        f"{entity}.{kind}": _about(entity, reader)
        for entity in ("task", "subtask")
        for kind, reader in {
            "created": _created,
            "updated": _updated,
            "completed": _completed,
            "deleted": _deleted,
        }.items()
    },
}
