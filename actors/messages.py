"""What the actors tell each other. Commands are imperative, facts are past tense.

Everything goes by ``tell``. Where a caller outside the actors needs an answer (an agent's tool call, the
command line), the message carries a ``reply``: the router sets it after the journal's commit.
"""

from concurrent.futures import Future
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from actors.delivery import Delivery, DeliveryStep
from actors.events import Event
from actors.model import AgentName, Model, NodeId, Text

ROUTER = "router"
CONNECTION = "connection"
GATEWAY = "gateway"
BACKEND = "backend"
WORKDIR = "workdir"
SESSIONS = "sessions"


def session_name(agent: str) -> str:
    """The name under which an agent's session actor is addressed."""
    return f"session:{agent}"


Source = Literal["backend", "agent", "person", "coordinator"]
Way = Literal["gateway", "backend", "file", "marker"]


# ---------------------------------------------------------------- connection → router


class EventReceived(Model):
    """A fact came in."""

    event: Event
    source: Source = "backend"


class InputRejected(Model):
    """Something came in that can't be used; it is kept, counted and shown.

    Attributes:
        origin: Where it came in: ``socket``, ``file``, ``gateway``.
        raw: Its beginning, at most 4096 bytes.
        size: Its whole size in bytes.
    """

    origin: str
    reason: str
    raw: bytes = b""
    size: int = 0


class BackendOpened(Model):
    """The socket is open. The router answers with ``Resume``.

    Attributes:
        instance: The identity of the backend's database, where it tells one: another instance counts its
            events from the beginning.
        acks: Whether it acknowledges what is published (then publications are kept until it does).
        connection: Which connection of which incarnation it is; the answer names it.
    """

    instance: str | None = None
    acks: bool = False
    connection: tuple[int, int] | None = None


class ReplayChanged(Model):
    """The backend began (or has finished) to send what was missed.

    What it will say next may undo what it said last, so no new subtask is handed over meanwhile.
    """

    running: bool


class BackendChanged(Model):
    """The state of the way to the backend, for people."""

    state: Literal["connecting", "open", "closed", "refused", "given_up"]
    detail: str = ""


class PublicationSent(Model):
    """A publication went out on the socket of a backend that doesn't acknowledge."""

    key: str


class PublicationConfirmed(Model):
    """The backend has it."""

    key: str


class PublicationRefused(Model):
    """The backend will not take it."""

    key: str
    reason: str


# ---------------------------------------------------------------- router → connection


class Resume(Model):
    """Subscribe, from the event after ``since`` (None: only what comes from now on).

    Attributes:
        connection: From the ``BackendOpened`` that it answers; an answer that is late counts for nothing.
    """

    since: int | None
    connection: tuple[int, int] | None = None


class Publish(Model):
    """Send this event to the backend.

    Attributes:
        key: Its idempotency key: the same however often it is sent.
        event_type: Such as ``subtask.completed``.
        payload: The event's payload in the design dialect.
    """

    key: str
    event_type: str
    payload: dict[str, Any]


# ---------------------------------------------------------------- router → session


class Adopt(Model):
    """The conversation that this agent's session leads."""

    session_id: str


class Deliver(Model):
    """Put this context into the session."""

    delivery: Delivery


class Announce(Model):
    """Say that you are there (``SessionReady``): the router is new and doesn't know."""


class Revive(Model):
    """Try again: what blocked the session, or the way to the backend, was taken care of."""


# ---------------------------------------------------------------- session → router


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


# ---------------------------------------------------------------- gateway, workdir → router


class Completion(Model):
    """What came of a subtask."""

    summary: Text = ""
    insights: tuple[Text, ...] = ()
    files: tuple[Text, ...] = ()


class Answer(Model):
    """What the router says to a report or a question.

    Attributes:
        ok: Whether it was taken.
        text: What happened, in words that a model or a person can act on.
        data: More, where the question asked for it.
    """

    ok: bool
    text: Text
    data: dict[str, Any] | None = None


Reply = Future[Answer]


class Report(Model):
    """Something that an agent or a person reports or asks; ``reply`` is set after the commit."""

    reply: Reply | None = None


class ReportCompletion(Report):
    """A subtask is done. Without ``subtask_id`` it is the one that the agent has in hand."""

    agent: AgentName | None
    way: Way
    completion: Completion
    subtask_id: NodeId | None = None


class ReportBlocked(Report):
    """An agent cannot go on."""

    agent: AgentName | None
    way: Way
    reason: Text
    subtask_id: NodeId | None = None


class SendMessage(Report):
    """Words for an agent, from another agent or from a person."""

    agent: AgentName
    text: Text
    sender: Text
    source: Source


class ShareKnowledge(Report):
    """Something that all agents should know."""

    agent: AgentName
    topic: Text
    text: Text


class DescribeSubtask(Report):
    """What does this agent have in hand? The answer's data holds it, with the upstream results."""

    agent: AgentName


class StartSession(Report):
    """Start the session of this agent, also where sessions don't start by themselves."""

    agent: AgentName


class RetryDelivery(Report):
    """Try a dead letter once more."""

    delivery_id: str


class RetrySubtask(Report):
    """What held this subtask was taken care of: it is to go on."""

    subtask_id: NodeId


class DropDelivery(Report):
    """A dead letter was looked at, and is to be forgotten."""

    delivery_id: str


class RetryBackend(Report):
    """Try at once to connect to the backend, also where it was given up."""


# ---------------------------------------------------------------- router → gateway


class WritingPaused(Model):
    """The journal can't be written, so nothing is taken in; said again at each try.

    Attributes:
        reason: Why, in the words of the system.
        since: When that began, in seconds since the epoch.
    """

    reason: str
    since: float


class WritingResumed(Model):
    """The journal can be written."""


# ---------------------------------------------------------------- router → workdir


class Mirror(Model):
    """Bring the files that people read up to date with what was just committed.

    Attributes:
        history: Lines of the event history, each a JSON object, oldest first.
        queues: For each agent that changed, the deliveries that wait for it.
        current: For each agent that changed, the subtask in hand (None: nothing).
        knowledge: The whole shared knowledge, if it changed.
    """

    history: tuple[bytes, ...] = ()
    queues: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    current: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    knowledge: list[dict[str, Any]] | None = None


class JournalRemoved(Model):
    """The journal's file isn't where it belongs, perhaps: look, and put it back."""


class MirrorAt(Model):
    """The history file ends with this event's number, and what was sent is written; the router sends what is missing.

    It answers each of these with one ``Mirror``, once there is something to show, and sends none unasked.
    """

    number: int
