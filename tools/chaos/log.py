"""A parser of the coordinator's log (``LOG_FORMAT=json``) for the events that chaos needs."""

import json
from datetime import datetime
from typing import Any, NamedTuple


class ActorRestart(NamedTuple):
    """The restart of an actor.

    Attributes:
        at: Its time, in seconds since the epoch.
    """

    at: float
    actor: str


def is_ready(line: bytes) -> bool:
    """Tell whether a line is the coordinator's ready line."""
    return _fields(line).get("event") == "coordinator_ready"


def restart(line: bytes) -> ActorRestart | None:
    """Return the restart that a line reports; None for other lines."""
    fields = _fields(line)
    if fields.get("event") != "child_restarted":
        return None
    return ActorRestart(datetime.fromisoformat(fields["timestamp"]).timestamp(), fields["child"])


def _fields(line: bytes) -> dict[str, Any]:
    """Parse a line of the log; return no fields for other lines, such as an interpreter's error message."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
