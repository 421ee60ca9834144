"""Decisions of the router: changes of the graph, and what follows from reports and turns; see ``Workflow``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.graph.changes import Change
from actors.graph.node import Node
from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.router.context import Composed

Compose = Callable[[str], Composed]
"""Writes a context for the delivery with this id."""


@dataclass(frozen=True, slots=True)
class ContextDue:
    """An agent is to be told something about the subtask in hand, or about none."""

    agent: str
    kind: DeliveryKind
    subtask_id: str | None
    compose: Compose


@dataclass(frozen=True, slots=True)
class ReminderDue:
    """An agent is to be reminded of how to report the subtask in hand."""

    agent: str
    node: Node


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """A session is to run, and to try again if it is blocked."""

    agent: str


@dataclass(frozen=True, slots=True)
class RetryWanted:
    """A dead letter is to be queued again."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class HandEmptied:
    """An agent doesn't have in hand what it was given: it never arrived."""

    agent: str


@dataclass(frozen=True, slots=True)
class LanesChanged:
    """Something about these agents' lanes is different: perhaps more can be handed over now."""

    agents: tuple[str, ...]


Decision = Change | ContextDue | ReminderDue | SessionWanted | RetryWanted | HandEmptied | LanesChanged
Decisions = Iterable[Decision]
