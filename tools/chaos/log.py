"""The coordinator's log (``LOG_FORMAT=json``) as the events that chaos waits for."""

import json
from datetime import datetime
from typing import Any, NamedTuple


class Restart(NamedTuple):
    """An actor lives again.

    Attributes:
        at: Since when, in seconds since the epoch.
    """

    at: float
    actor: str


def is_ready(line: bytes) -> bool:
    """Whether the coordinator says that it is ready."""
    return _fields(line).get("event") == "coordinator_ready"


def restart(line: bytes) -> Restart | None:
    """Find the restart that a line tells of."""
    fields = _fields(line)
    if fields.get("event") != "child_restarted":
        return None
    return Restart(datetime.fromisoformat(fields["timestamp"]).timestamp(), fields["child"])


def _fields(line: bytes) -> dict[str, Any]:
    """Read a line of the log; none for what isn't one, such as the words of an interpreter that could not start."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
