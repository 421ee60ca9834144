"""A session: one claude process for one agent, driven through a PTY and a named pipe."""

from actors.session.actor import SessionActor
from actors.session.drives.stream.command import SessionSettings

__all__ = ["SessionActor", "SessionSettings"]
