"""The journal's tables: each a small class with the statements that it needs, and no more."""

from actors.journal.tables.agents import Agents
from actors.journal.tables.deliveries import Deliveries
from actors.journal.tables.events import Events
from actors.journal.tables.knowledge import Knowledge
from actors.journal.tables.nodes import Nodes
from actors.journal.tables.outbox import Outbox
from actors.journal.tables.steps import Steps

__all__ = ["Agents", "Deliveries", "Events", "Knowledge", "Nodes", "Outbox", "Steps"]
