"""The way to the backend: the dialects that it speaks, the socket, and the actor that owns it."""

from actors.connection.actor import ConnectionActor

__all__ = ["ConnectionActor"]
