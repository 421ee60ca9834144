"""What can go wrong at the gateway."""

from actors.lib.errors import CoordinatorError


class GatewayError(CoordinatorError):
    """The root of the gateway's errors."""


class ServerDiedError(GatewayError):
    """The HTTP server's thread ended by itself; a restart gets a new one on the same port."""


class RouterSilentError(GatewayError):
    """There was no answer; whether the report is in the journal isn't known."""
