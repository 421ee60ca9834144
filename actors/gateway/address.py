"""The gateway's listening socket and its address."""

import errno
import socket

from actors.lib.errors import ConfigurationError

_HOST = "127.0.0.1"
_BACKLOG = 128


def bind(port: int) -> socket.socket:
    """Return a listening socket on loopback. Connections wait in its backlog until a server accepts them.

    Args:
        port: The port; 0 takes any free one.

    Raises:
        ConfigurationError: The port can't be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:  # asyncio turns Nagle's algorithm off only if the protocol is named; with it, a request takes 40 ms longer
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = (
            "is in use by another program"
            if error.errno == errno.EADDRINUSE
            else f"can't be used: {error.strerror}"
        )
        raise ConfigurationError(f"GATEWAY_PORT: port {port} on {_HOST} {why}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the socket's URL, without a slash at the end."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
