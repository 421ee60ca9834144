"""The gateway's errors."""

from actors.lib.errors import CoordinatorError


class GatewayError(CoordinatorError):
    """The root of the gateway's errors."""


class ServerDiedError(GatewayError):
    """The HTTP server's thread ended by itself. A restart creates a new one on the same port."""


class RouterSilentError(GatewayError):
    """The router did not answer. Whether the report is in the journal is unknown."""
