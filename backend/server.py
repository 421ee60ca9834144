"""The server process: the port, the ready line, and a stop that waits for no client."""

import asyncio
import errno
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from backend.errors import AddressError, AlreadyRunningError
from backend.fields import MAX_BODY

GRACE = 1
"""Seconds that requests have to end when the server stops."""


BACKLOG = 2_048
"""Connections that may wait to be accepted."""

PATIENCE = 60_000
"""Milliseconds that sent data may stay unacknowledged by the peer."""


def bind(host: str, port: int) -> socket.socket:
    """Bind the port, before anything else of the backend is created.

    Args:
        host: a host name or an address.
        port: the port; 0 for any free one.

    Raises:
        AlreadyRunningError: the port is in use.
        AddressError: the server can't listen on the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio turns Nagle's algorithm off only if the protocol is named; with it, a request takes 40 ms longer.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressError(f"can't listen on {host}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by its connections. Without it, closing one waits until its data is sent: a quarter of an hour
        # for an unreachable peer, and for ever for a stopped one.
        if sys.platform == "linux":
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PATIENCE)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AlreadyRunningError(
                f"port {port} on {host} is in use; is another backend running?"
            ) from None
        raise AddressError(f"can't listen on {host} port {port}: {error.strerror or error}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a listening socket, with its real port."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server on an open socket. It prints one line when it accepts connections: `ready <url>`.

    Args:
        app: the application.
        listener: the listening socket.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            # The library of the other implementation has deprecated it.
            ws="websockets-sansio",
            ws_max_size=MAX_BODY,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=GRACE,
            lifespan="on",
            # The access log would contain query strings, and tokens in them.
            log_config=None,
            access_log=False,
        )
        super().__init__(config)
        self._listener = listener

    def run_until_stopped(self) -> None:
        """Serve until `stop` is called, or SIGTERM or SIGINT arrives."""
        self.run(sockets=[self._listener])

    def stop(self) -> None:
        """Tell the server to stop. May be called from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and print the ready line."""
        await super().startup(sockets)
        print(f"ready {url_of(self._listener)}", flush=True)  # noqa: T201 (the one line that parents wait for)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals so that a clean stop ends with exit code 0; uvicorn would raise the signal again."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may handle signals
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
