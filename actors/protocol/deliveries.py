"""A delivery: one context on its way to one agent."""

from enum import StrEnum

from actors.protocol.base import AgentName, Model
from actors.protocol.node_ids import NodeId

CONTEXT_FILE = "{context_file}"
"""A placeholder in a delivery's text for the path of the file with the whole context; the session fills it in."""
RESULT_FILE = "{result_file}"
"""A placeholder for the path of the file in which an agent without tools reports. Neither counts in a quotation."""


class DeliveryState(StrEnum):
    """The progress of a delivery, in this order.

    It only moves forward, with one exception: a delivery that claude had, and that the model hasn't got after all, is
    taken back to ``QUEUED``.
    """

    QUEUED = "queued"
    """Journaled, and not yet written to a session."""
    WRITTEN = "written"
    """Written to Claude's standard input."""
    ACCEPTED = "accepted"
    """Queued by Claude: the first receipt."""
    STARTED = "started"
    """Read by the model."""
    COMPLETED = "completed"
    """Over: the turn that it belongs to has ended."""
    WITHDRAWN = "withdrawn"
    """Cancelled before it was handed over, with a reason."""
    DEAD = "dead"
    """Handed over, but not delivered, with a reason: a dead letter."""

    @property
    def is_final(self) -> bool:
        """True where no other state follows, unless a dead letter is retried."""
        return self in FINAL


FINAL = frozenset({DeliveryState.COMPLETED, DeliveryState.WITHDRAWN, DeliveryState.DEAD})
ORDER = {state: place for place, state in enumerate(DeliveryState)}
"""The rank of each state; a step to the same or an earlier one is late and changes nothing."""


class DeliveryKind(StrEnum):
    """The purpose of a delivery."""

    TASK_READY = "task_ready"
    """A new subtask without dependencies."""
    DEPENDENCY_COMPLETED = "dependency_completed"
    """A new subtask whose upstreams are all completed, with their results."""
    UPSTREAM_COMPLETED = "upstream_completed"
    """The result of a dependency that was added while the agent had the subtask in hand."""
    SUBTASK_UPDATED = "subtask_updated"
    """Changes of the subtask in hand."""
    SUBTASK_CLOSED = "subtask_closed"
    """Notice that the subtask in hand is closed or was assigned to another agent: stop working on it."""
    MESSAGE = "message"
    """A message from a person, another agent or the backend."""
    REMINDER = "reminder"
    """A reminder to report, since the turn ended with the subtask neither completed nor blocked."""

    @property
    def assigns(self) -> bool:
        """True if it gives the agent a new subtask; such deliveries wait until the agent is idle."""
        return self in (DeliveryKind.TASK_READY, DeliveryKind.DEPENDENCY_COMPLETED)


class Delivery(Model):
    """One context, addressed.

    Attributes:
        id: A UUID; the uuid of the message that Claude reads.
        text: The whole message. Empty while an assignment waits for its agent: it is composed when it is handed over,
            so that it is up to date. ``CONTEXT_FILE`` and ``RESULT_FILE`` may stand in it, outside of quotations
            (lines that begin with ``> ``); the session fills them in.
        document: The whole context if ``text`` is a shortened one: the session writes it to ``CONTEXT_FILE``.
        attempts: The number of times that it was written into a session.
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
    """One step of a delivery, with its evidence.

    Attributes:
        receipt: The source of the evidence, such as ``replay`` or ``transcript``.
        reason: The cause, if it is dead, withdrawn or taken back.
        attempts: The number of times that it has been written by now.
    """

    delivery_id: str
    state: DeliveryState
    receipt: str | None = None
    reason: str | None = None
    attempts: int | None = None
