"""Names: under which actors are addressed, where facts come from and which way they took."""

from typing import Literal, NamedTuple

ROUTER = "router"
CONNECTION = "connection"
GATEWAY = "gateway"
BACKEND = "backend"
WORKDIR = "workdir"
SESSIONS = "sessions"
FEED = "feed"

Source = Literal["backend", "agent", "person", "coordinator"]
"""Who says it."""
Way = Literal["gateway", "backend", "file", "marker"]
"""How a report came in."""


class SessionAddress(NamedTuple):
    """A session: one of an agent's.

    Attributes:
        agent: Whose it is.
        number: Which one, counted from 1.
    """

    agent: str
    number: int = 1

    @property
    def name(self) -> str:
        """The name of its actor, where it lives in this process."""
        return f"session:{self.agent}" if self.number == 1 else f"session:{self.agent}#{self.number}"


def session_name(agent: str) -> str:
    """The name under which the actor of an agent's first session is addressed."""
    return SessionAddress(agent).name
