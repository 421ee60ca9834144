"""The embedded backend: a child process, used when no other backend is configured."""

from actors.embedded.actor import BackendActor

__all__ = ["BackendActor"]
