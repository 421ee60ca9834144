"""The coordinator's HTTP server on loopback: the agents' tools and the operator's doors."""

from actors.gateway.actor import GatewayActor
from actors.gateway.address import CoordinatorFile, bind
from actors.gateway.errors import GatewayError
from actors.gateway.tokens import Tokens, load_secret

__all__ = ["CoordinatorFile", "GatewayActor", "GatewayError", "Tokens", "bind", "load_secret"]
