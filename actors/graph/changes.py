"""Changes that follow from an event in the graph; the router turns each into deliveries and notes."""

from dataclasses import dataclass

from actors.graph.node import Node


@dataclass(frozen=True, slots=True)
class Released:
    """An assignment of the node to these agents, now that it waits for nothing."""

    node: Node
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A withdrawal of the node from these agents, which are to stop working on it."""

    node: Node
    agents: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Amended:
    """A change of these fields while agents have the node."""

    node: Node
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpstreamDone:
    """The completion of an upstream while agents have the node already."""

    node: Node
    upstream: Node


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of the node; ``by`` is the agent that completed it, if one did."""

    node: Node
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A new hold on the node; its ``hold`` and ``reason`` say why.

    Attributes:
        by: The agent that reported it, if one did.
        backend_knows: True if the backend itself reported it, and need not be told.
        is_logged: True if what led to it is in the log, with the next command.
    """

    node: Node
    by: str | None = None
    backend_knows: bool = False
    is_logged: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """The end of a hold: agents that have the node go on, and the other assignees are given it again."""

    node: Node


@dataclass(frozen=True, slots=True)
class Reopened:
    """The end of the node's being closed: it is to be done again."""

    node: Node


@dataclass(frozen=True, slots=True)
class NotReopened:
    """A completed node that the backend calls open, though it may not have known of the completion."""

    node: Node


Change = Released | Withdrawn | Amended | UpstreamDone | Closed | Held | Resumed | Reopened | NotReopened
