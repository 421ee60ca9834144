"""Log records of everything that needs a person, each with its reason and the next command."""

import structlog

from actors.graph.node import BY_GRAPH, Hold, Node
from actors.lib.program import command
from actors.protocol.backend import InputRejected
from actors.protocol.claude import TESTED, is_tested
from actors.protocol.deliveries import Delivery

log = structlog.get_logger(__name__)


def log_held(node: Node, agent: str | None) -> None:
    """Log that a subtask of this agent is held."""
    event = f"{node.entity}_unfinished" if node.hold is Hold.UNFINISHED else f"{node.entity}_blocked"
    if node.hold in BY_GRAPH:
        advice = f"change what {node.id} depends on, in the backend"
        log.warning(event, agent=agent, subtask=node.id, reason=node.reason, advice=advice)
    else:
        log.warning(event, agent=agent, subtask=node.id, reason=node.reason, next=command("retry", node.id))


def log_not_reopened(node: Node) -> str:
    """Log that a completed subtask stays completed although the backend calls it open; return the reason."""
    reason = (
        f"the backend says {node.told}, but it hasn't said or acknowledged yet that the {node.entity} is done"
    )
    advice = "to have it done again, set it to done in the backend, then to todo"
    event = f"{node.entity}_not_reopened"
    log.warning(event, subtask=node.id, reason=reason, advice=advice)
    return reason


def log_blocked(agent: str, subtask_id: str | None, reason: str, *, is_spoiled: bool) -> None:
    """Log that a session is blocked; where it is the conversation that is spoiled, trying again doesn't help."""
    step = (
        command("restart", agent, options=("--new-conversation",)) if is_spoiled else command("retry", agent)
    )
    log.warning("session_blocked", agent=agent, subtask=subtask_id, reason=reason, next=step)


def log_renewed(agent: str, subtask_id: str | None, reason: str) -> None:
    """Log that an agent is given its subtask again in a new conversation."""
    log.warning("conversation_renewed", agent=agent, subtask=subtask_id, reason=reason)


def log_dead(delivery: Delivery, reason: str | None) -> None:
    """Log a dead letter."""
    log.warning(
        "delivery_dead",
        agent=delivery.agent,
        subtask=delivery.subtask_id,
        reason=reason,
        next=command("retry", delivery.id),
    )


def log_rejected_file(rejected: InputRejected) -> None:
    """Log a result file that can't be used."""
    log.warning("result_rejected", reason=rejected.reason, next=command("rejected"))


def log_version(version: str) -> None:
    """Log the version of claude; one that was never tested may behave differently."""
    if is_tested(version):
        log.info("claude_version", version=version)
    else:
        log.warning("claude_version_untested", version=version, tested=TESTED)
