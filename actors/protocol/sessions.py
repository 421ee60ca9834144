"""Messages between the router and the sessions: deliveries go down, their steps and session states come up."""

from enum import StrEnum

from actors.protocol.base import AgentName, Model
from actors.protocol.deliveries import Delivery, DeliveryStep


class Adopt(Model):
    """The id of the conversation that the session is to lead."""

    session_id: str


class Deliver(Model):
    """A delivery to write into the session."""

    delivery: Delivery


class Unblock(Model):
    """A request to a blocked session to try again."""


class Restart(Model):
    """A request to end the session's process in order, and to start it anew if there is something to do."""


class SessionState(StrEnum):
    """The state of a session."""

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
    """Notice that a session's actor is up; the router answers with ``Adopt`` and its outstanding deliveries.

    Attributes:
        idle: True if no turn is running.
    """

    agent: AgentName
    idle: bool = True


class ConversationBegan(Model):
    """Notice that claude begins this conversation without a history: what was said in it before is gone."""

    agent: AgentName
    session_id: str


class ProgramSeen(Model):
    """The version of the claude that an agent runs, by its own word."""

    agent: AgentName
    version: str


class SessionsLost(Model):
    """Notice that the sessions' supervisor was restarted, so that no session runs."""


class SessionChanged(Model):
    """A session's new state, from Claude's own events.

    Attributes:
        in_background: True while it works between turns only: commands in the background, or subagents.
        is_spoiled: True where it is blocked since the API refuses the conversation as it is, so that only a new one
            helps.
    """

    agent: AgentName
    state: SessionState
    detail: str = ""
    pid: int | None = None
    in_background: bool = False
    is_spoiled: bool = False


class Progressed(Model):
    """Steps of deliveries, in the order in which they happened."""

    agent: AgentName
    steps: tuple[DeliveryStep, ...]


class Refusal(Model):
    """A use of a tool that was refused for want of permission.

    Attributes:
        tool: The tool's name.
        input: The part of its input that says what it was to do, such as a command or a path.
    """

    tool: str
    input: str = ""


class TurnEnded(Model):
    """Notice that a session is idle: the turn is over and no written message is pending.

    Attributes:
        text: Claude's last message.
        error: The error, if the turn failed.
        denied: The uses of tools that were refused.
        cost_usd: The session's cost so far, by its own estimate, in US dollars.
    """

    agent: AgentName
    text: str = ""
    error: str | None = None
    denied: tuple[Refusal, ...] = ()
    cost_usd: float | None = None


FromSession = (
    SessionReady | ConversationBegan | ProgramSeen | SessionsLost | SessionChanged | Progressed | TurnEnded
)
"""The messages from sessions, and their supervisor, to the router."""
