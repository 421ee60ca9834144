"""The way to the backend: the dialects that it speaks, the socket, and the actor that owns it."""

from actors.connection.actor import ConnectionActor
from actors.connection.dialects import parse
from actors.connection.parsed import Parsed

__all__ = ["ConnectionActor", "Parsed", "parse"]
