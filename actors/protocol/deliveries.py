"""A delivery: one context on its way to one agent."""

from enum import StrEnum

from actors.protocol.base import AgentName, Model, NodeId

CONTEXT_FILE = "{context_file}"
"""Stands in a delivery's text for the path of the file with the whole context; the session knows it."""
RESULT_FILE = "{result_file}"
"""Stands in a delivery's text for the path of the file in which an agent without tools reports."""


class DeliveryState(StrEnum):
    """How far a delivery has come; it only moves forward, in this order."""

    QUEUED = "queued"
    """In the journal; not yet handed to a session."""
    WRITTEN = "written"
    """In Claude's standard input."""
    ACCEPTED = "accepted"
    """Claude has queued it: the first receipt."""
    STARTED = "started"
    """The model has it."""
    COMPLETED = "completed"
    """The turn that it belongs to has ended."""
    WITHDRAWN = "withdrawn"
    """Taken back before it was handed over; the reason says why."""
    DEAD = "dead"
    """Handed over, and not delivered; the reason says why."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in FINAL


FINAL = frozenset({DeliveryState.COMPLETED, DeliveryState.WITHDRAWN, DeliveryState.DEAD})
ORDER = {state: place for place, state in enumerate(DeliveryState)}
"""The place of each state on the way; a report of an earlier one is late and changes nothing."""


class DeliveryKind(StrEnum):
    """What an agent is told."""

    TASK_READY = "task_ready"
    """A subtask that waits for nothing: begin."""
    DEPENDENCY_COMPLETED = "dependency_completed"
    """A subtask whose upstreams are all done: begin, with their results."""
    UPSTREAM_COMPLETED = "upstream_completed"
    """A dependency that was added late, of a subtask already in hand, is done."""
    SUBTASK_UPDATED = "subtask_updated"
    """The subtask in hand was changed."""
    SUBTASK_CLOSED = "subtask_closed"
    """The subtask in hand is over or somebody else's now: leave it."""
    MESSAGE = "message"
    """Somebody's words."""
    REMINDER = "reminder"
    """The turn ended and the subtask is neither completed nor blocked."""

    @property
    def assigns(self) -> bool:
        """Whether it hands the agent a new subtask; such deliveries wait until it is idle."""
        return self in (DeliveryKind.TASK_READY, DeliveryKind.DEPENDENCY_COMPLETED)


class Delivery(Model):
    """One context, addressed.

    Attributes:
        id: A UUID; the uuid of the message that Claude reads.
        text: The whole message. Empty while a subtask waits for its agent: it is written when it is
            handed over, so that it holds what is true then. ``CONTEXT_FILE`` and ``RESULT_FILE`` may stand in it,
            outside of quotations (lines that begin with ``> ``); the session fills them in.
        document: The whole context, where ``text`` is a shortened one: the session writes it to ``CONTEXT_FILE``.
        attempts: How often it was written into a session.
    """

    id: str
    agent: AgentName
    kind: DeliveryKind
    subtask_id: NodeId | None = None
    text: str = ""
    document: str = ""
    state: DeliveryState = DeliveryState.QUEUED
    attempts: int = 0


class DeliveryStep(Model):
    """One step forward of a delivery, with its evidence.

    Attributes:
        receipt: Where the evidence comes from, such as ``lifecycle`` or ``transcript``.
        reason: Why it is dead.
        attempts: How often it has been written by now.
    """

    delivery_id: str
    state: DeliveryState
    receipt: str | None = None
    reason: str | None = None
    attempts: int | None = None
