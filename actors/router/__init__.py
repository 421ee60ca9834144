"""The router: the dependency graph, the journal, and what follows from an event."""

from actors.router.actor import RouterActor, RouterParts, RouterSettings
from actors.router.context import ContextBuilder

__all__ = ["ContextBuilder", "RouterActor", "RouterParts", "RouterSettings"]
