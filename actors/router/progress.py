"""Log records of a workflow's progress: one line for each step of a subtask, for the person at the terminal."""

import structlog

from actors.graph.node import Node, Status
from actors.router.context import one_line

log = structlog.get_logger(__name__)

_LONGEST = 100
"""The most characters of a title or a summary."""


def log_created(node: Node) -> None:
    """Log that a subtask is there."""
    agents = ", ".join(node.assignees or ())
    log.info(f"{node.entity}_created", subtask=node.id, title=_gist(node.name), agent=agents)  # noqa: G004 - an event's name, one of two


def log_handed_over(node: Node, agent: str) -> None:
    """Log that an agent is given a subtask."""
    log.info(f"{node.entity}_handed_over", subtask=node.id, title=_gist(node.name), agent=agent)  # noqa: G004 - the same


def log_closed(node: Node) -> None:
    """Log that a subtask is over, and what came of it."""
    event = f"{node.entity}_{node.status.value}"
    if node.status is Status.COMPLETED:
        log.info(event, subtask=node.id, title=_gist(node.name), agent=node.by, summary=_gist(node.summary))
    else:
        log.info(event, subtask=node.id, title=_gist(node.name))


def _gist(text: str) -> str:
    """Return the first line of a text, cut."""
    line = one_line(text.strip().partition("\n")[0])
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
