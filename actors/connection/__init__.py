"""The connection to the backend: its dialects, the socket, and the actor that owns both."""

from actors.connection.actor import ConnectionActor

__all__ = ["ConnectionActor"]
