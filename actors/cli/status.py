"""The data of ``status``: the journal's, corrected for a coordinator that doesn't run."""

from typing import Any

from actors.journal.reader import JournalReader, Row
from actors.protocol.claude import is_tested
from actors.protocol.sessions import SessionState
from actors.workdir import Holder

AT_WORK = (SessionState.READY, SessionState.WORKING)


def overview(
    reader: JournalReader, running: Holder | None, said: dict[str, Any] | None, *, closed: bool
) -> dict[str, Any]:
    """Return all that ``status`` shows.

    Args:
        reader: The journal.
        running: Its coordinator, if one runs.
        said: The answer of its health check; None without an answer.
        closed: True to include closed subtasks.
    """
    backend, agents = reader.backend(), reader.agents()
    if running is None:  # the journal has the last states, which a kill leaves outdated
        backend = f"unknown (when it last ran: {backend})"
        agents = [row | {"state": SessionState.STOPPED.value, "pid": None} for row in agents]
    by_name = {row["agent"]: row for row in agents}
    return {
        "coordinator": running._asdict() | {"answers": said is not None} if running else None,
        "paused": (said or {}).get("paused"),
        "backend": backend,
        "claude": {"version": version, "tested": is_tested(version)}
        if (version := reader.claude())
        else None,
        "counts": reader.counts(),
        "agents": agents,
        "subtasks": [node | {"why": why(node, by_name)} for node in reader.nodes(closed=closed, limit=1000)],
    }


def why(node: Row, agents: dict[str, Row]) -> str:
    """Return why no agent works on this subtask now; empty if one does, or none has to."""
    if node.get("reason"):
        return str(node["reason"])
    if node["waits_for"]:
        return "waits for " + ", ".join(node["waits_for"])
    if node["state"] != "ready":
        return ""
    if assignees := node.get("assignees"):
        return "; ".join(_waits_for(agent, agents.get(agent), node["id"]) for agent in assignees)
    return _waits_for_parts(node) if node.get("entity") == "task" else "nobody is assigned"


def _waits_for_parts(task: Row) -> str:
    """Return what a task waits for that is assigned to nobody."""
    parts = task.get("parts") or {"all": 0, "open": 0}
    if not parts["all"]:
        return "has no subtasks, and nobody is assigned"
    if parts["open"]:
        return f"waits for {parts['open']} of its {parts['all']} subtasks"
    count = "its only subtask is" if parts["all"] == 1 else f"its {parts['all']} subtasks are all"
    return f"{count} closed: the backend has to close the task"


def _waits_for(agent: str, row: Row | None, subtask: str) -> str:
    """Return what keeps this agent from a subtask that is ready."""
    if row is None:
        return f"waits for {agent}, which has not been started"
    if row["state"] not in AT_WORK:
        return f"waits for {agent}, which is {row['state'].replace('_', ' ')}"
    if row["in_hand"] not in (None, subtask):
        return f"waits for {agent}, which has {row['in_hand']} in hand"
    return f"is on its way to {agent}"
