"""The coordinator's HTTP server on loopback: the agents' tools and the operator's routes."""

from actors.gateway.actor import GatewayActor
from actors.gateway.errors import GatewayError
from actors.gateway.tokens import Tokens, load_secret

__all__ = ["GatewayActor", "GatewayError", "Tokens", "load_secret"]
