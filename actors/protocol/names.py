"""Names: under which actors are addressed, where facts come from and which way they took."""

from typing import Literal

ROUTER = "router"


CONNECTION = "connection"


GATEWAY = "gateway"


BACKEND = "backend"


WORKDIR = "workdir"


SESSIONS = "sessions"


def session_name(agent: str) -> str:
    """The name under which an agent's session actor is addressed."""
    return f"session:{agent}"


Source = Literal["backend", "agent", "person", "coordinator"]


Way = Literal["gateway", "backend", "file", "marker"]
