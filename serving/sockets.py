"""Listening sockets, and a Unix socket that only its owner's programs can reach."""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKLOG = 1_024
"""Connections that may wait to be accepted."""
PATIENCE = 60_000
"""Milliseconds that sent data may stay unacknowledged by the peer."""
_CREDENTIALS = struct.Struct("3i")
"""The peer's pid, uid and gid, as ``SO_PEERCRED`` returns them."""


class OtherUserError(PermissionError):
    """A program of another user listens at a socket that is to be our own."""

    def __init__(self, uid: int) -> None:
        super().__init__(f"what listens there belongs to another user (uid {uid})")


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket. Connections wait in its backlog until a server accepts them.

    Args:
        host: A host name or an address.
        port: The port; 0 takes any free one.

    Raises:
        OSError: The address can't be used.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # asyncio turns Nagle's algorithm off only if the protocol is named; with it, a request takes 40 ms longer.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by its connections. Without it, closing one waits until its data is sent: a quarter of an hour
        # for an unreachable peer, and for ever for a stopped one.
        if sys.platform == "linux":
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PATIENCE)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def listen_privately(path: Path) -> socket.socket:
    """Return a listening Unix socket at this path, in a directory of ours; one that was left there is replaced.

    Raises:
        OSError: The path can't be used.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _short(path) as name:
            listener.bind(name)
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def connect_private(path: Path, seconds: float) -> socket.socket:
    """Connect to the Unix socket at this path, if a program of our own user listens there.

    Args:
        path: The socket.
        seconds: The timeout of the socket.

    Raises:
        OtherUserError: It belongs to another user, who is told nothing.
        OSError: Nothing listens there.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(seconds)
        with _short(path) as name:
            connected.connect(name)
        owner = _owner(connected)
        if owner != os.geteuid():
            raise OtherUserError(owner)
    except OSError:
        connected.close()
        raise
    return connected


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a listening TCP socket, with its real port and without a slash at the end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _owner(connected: socket.socket) -> int:
    """Return the user who listens at the other end of a Unix socket."""
    found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(found)[1]
    return uid


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield a short name of the path: an address of a Unix socket has room for 107 bytes."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
