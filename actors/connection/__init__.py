"""The way to the backend: the dialects that it speaks, the socket, and the actor that owns it."""

from actors.connection.actor import ConnectionActor
from actors.connection.dialects.parsed import Parsed
from actors.connection.dialects.registry import parse

__all__ = ["ConnectionActor", "Parsed", "parse"]
