"""The embedded backend: a child process, for those who have no backend of their own."""

from actors.embedded.actor import BackendActor

__all__ = ["BackendActor"]
