"""What follows from an event in the graph, for those who work on its nodes."""

from dataclasses import dataclass

from actors.graph.node import Node


@dataclass(frozen=True, slots=True)
class Released:
    """These agents are to be given the node."""

    node: Node
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """These agents are no longer to work on the node; it goes on without them."""

    node: Node
    agents: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Amended:
    """The node was changed while agents have it; ``fields`` says what."""

    node: Node
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpstreamDone:
    """An upstream of a node that an agent already has is done."""

    node: Node
    upstream: Node


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more is to be done for the node; ``by`` is the agent that completed it, where one did."""

    node: Node
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The node doesn't go on by itself; its ``hold`` and ``reason`` say why.

    Attributes:
        by: The agent that said so, where one did.
        backend_knows: The backend itself said so, and need not be told.
    """

    node: Node
    by: str | None = None
    backend_knows: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """What held the node is over: those who have it go on, and those who no longer do are given it again."""

    node: Node


Change = Released | Withdrawn | Amended | UpstreamDone | Closed | Held | Resumed
