"""Sessions: each runs one agent's program in one conversation."""

from actors.session.actor import SessionActor
from actors.session.settings import SessionSettings

__all__ = ["SessionActor", "SessionSettings"]
