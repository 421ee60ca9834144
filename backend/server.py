"""The server process: the port, the ready line, and a stop that waits for nobody."""

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
"""Milliseconds that what was sent may wait until the peer takes it."""


def bind(host: str, port: int) -> socket.socket:
    """Takes the port, before anything else of the backend exists.

    Args:
        host: a name or an address.
        port: 0 for a free one.

    Raises:
        AlreadyRunningError: the port is in use.
        AddressError: the address can't be had at all.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named since asyncio turns Nagle's algorithm off only where it is: 40 ms a request.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressError(f"can't listen on {host}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Its connections inherit it. A close waits for what is still to be sent: for a peer that is out of reach
        # for a quarter of an hour, and for one that is stopped for ever.
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
    """The base URL of a listening socket, with its real port."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server on a socket of ours. It prints one line when it accepts connections: `ready <url>`.

    Args:
        app: the application.
        listener: the listening socket.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            # The other implementation is deprecated by the library that it uses.
            ws="websockets-sansio",
            ws_max_size=MAX_BODY,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=GRACE,
            lifespan="on",
            # The access log would hold the query strings, and with them tokens.
            log_config=None,
            access_log=False,
        )
        super().__init__(config)
        self._listener = listener

    def run_until_stopped(self) -> None:
        """Serves until `stop`, SIGTERM or SIGINT."""
        self.run(sockets=[self._listener])

    def stop(self) -> None:
        """Asks the server to stop; may be called from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to serve, and says so."""
        await super().startup(sockets)
        print(f"ready {url_of(self._listener)}", flush=True)  # noqa: T201 (the one line that parents wait for)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends with exit code 0, where uvicorn would raise the signal once more after its clean stop."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's business
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
