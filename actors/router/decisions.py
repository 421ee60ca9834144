"""Decisions of the router: changes of the graph, and consequences of reports and turns.

Handlers return them, and ``Workflow`` carries them out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.graph.changes import Change
from actors.graph.node import Node
from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.router.context import Composed

Compose = Callable[[str], Composed]
"""Composes the context of the delivery with this id."""


@dataclass(frozen=True, slots=True)
class ContextDue:
    """A delivery to queue for an agent, about the subtask in hand or about none."""

    agent: str
    kind: DeliveryKind
    subtask_id: str | None
    compose: Compose


@dataclass(frozen=True, slots=True)
class ReminderDue:
    """A reminder to queue for an agent, to report the subtask in hand."""

    agent: str
    node: Node


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """A session to start, or to try again if it is blocked."""

    agent: str


@dataclass(frozen=True, slots=True)
class RestartWanted:
    """A session to restart; with a new conversation, or in its own."""

    agent: str
    new_conversation: bool


@dataclass(frozen=True, slots=True)
class HistoryGone:
    """An agent whose conversation begins anew, so that it knows nothing of what it was given before."""

    agent: str


@dataclass(frozen=True, slots=True)
class RetryWanted:
    """A dead letter to queue again."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class HandEmptied:
    """An agent whose assignment never arrived, so that it has nothing in hand."""

    agent: str


@dataclass(frozen=True, slots=True)
class LanesChanged:
    """Agents whose lanes changed, so that more deliveries may be handed over now."""

    agents: tuple[str, ...]


Decision = (
    Change
    | ContextDue
    | ReminderDue
    | SessionWanted
    | RestartWanted
    | HistoryGone
    | RetryWanted
    | HandEmptied
    | LanesChanged
)
Decisions = Iterable[Decision]
