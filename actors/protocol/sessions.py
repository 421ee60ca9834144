"""Between the router and the sessions: deliveries go down, their steps and the states of sessions come up."""

from enum import StrEnum

from actors.protocol.base import AgentName, Model
from actors.protocol.deliveries import Delivery, DeliveryStep


class Adopt(Model):
    """The conversation that this agent's session leads."""

    session_id: str


class Deliver(Model):
    """Put this context into the session."""

    delivery: Delivery


class Unblock(Model):
    """What blocked the session was taken care of: try again."""


class SessionState(StrEnum):
    """What a session is doing."""

    STARTING = "starting"
    READY = "ready"
    WORKING = "working"
    AWAITING_PERMISSION = "awaiting_permission"
    AWAITING_INPUT = "awaiting_input"
    RATE_LIMITED = "rate_limited"
    CRASHED = "crashed"
    RESUMING = "resuming"
    BLOCKED = "blocked"
    STOPPED = "stopped"


class SessionReady(Model):
    """A session actor lives and wants its conversation and what is on its way to it.

    Attributes:
        idle: No turn is running in it.
    """

    agent: AgentName
    idle: bool = True


class SessionsLost(Model):
    """The supervisor of the sessions is a new one, and knows nothing of those that there were."""


class SessionChanged(Model):
    """The session's state, from Claude's own events."""

    agent: AgentName
    state: SessionState
    detail: str = ""
    pid: int | None = None


class Progressed(Model):
    """Deliveries moved forward, in this order."""

    agent: AgentName
    steps: tuple[DeliveryStep, ...]


class TurnEnded(Model):
    """The session is idle: the turn is over and nothing that was written is left.

    Attributes:
        text: What Claude said last.
        error: What went wrong, if the turn failed.
        denied: Names of the tools that were refused for want of permission.
        cost_usd: What the session reckons that it has cost so far.
    """

    agent: AgentName
    text: str = ""
    error: str | None = None
    denied: tuple[str, ...] = ()
    cost_usd: float | None = None


FromSession = SessionReady | SessionsLost | SessionChanged | Progressed | TurnEnded
"""What sessions, and their supervisor, tell the router."""
