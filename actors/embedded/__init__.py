"""The embedded backend: a child process, used when no other backend is configured."""

from actors.embedded.actor import BackendActor
from actors.embedded.token import forget_token, read_token

__all__ = ["BackendActor", "forget_token", "read_token"]
