"""Names of actors, of sources of events and of the ways of reports."""

from typing import Literal, NamedTuple

ROUTER = "router"
CONNECTION = "connection"
GATEWAY = "gateway"
BACKEND = "backend"
WORKDIR = "workdir"
SESSIONS = "sessions"
FEED = "feed"

Source = Literal["backend", "agent", "person", "coordinator"]
"""The originator of an event or a message."""
Way = Literal["gateway", "backend", "file", "marker"]
"""The channel that a report came in by."""


class SessionAddress(NamedTuple):
    """The address of one of an agent's sessions.

    Attributes:
        agent: The agent's name.
        number: The session's number, counted from 1.
    """

    agent: str
    number: int = 1

    @property
    def name(self) -> str:
        """The name of its actor, if it runs in this process."""
        return f"session:{self.agent}" if self.number == 1 else f"session:{self.agent}#{self.number}"


def session_name(agent: str) -> str:
    """Return the name of the actor of an agent's first session."""
    return SessionAddress(agent).name
