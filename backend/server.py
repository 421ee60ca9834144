"""The server process: the port, the ready line, and a stop that waits for no client."""

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from backend.errors import AddressError, AlreadyRunningError
from backend.fields import MAX_BODY
from serving import BoundedServer, configure, listen, url_of

GRACE = 1
"""Seconds that requests have to end when the server stops."""


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
        return listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} on {host} is in use; is another backend running?"
            raise AlreadyRunningError(message) from None
        raise AddressError(f"can't listen on {host} port {port}: {error.strerror or error}") from None


class Server(BoundedServer):
    """A server on open sockets. It prints one line when it accepts connections: `ready <url>`.

    Args:
        app: the application.
        listener: the listening socket whose address is printed.
        more: more listening sockets to serve.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, *more: socket.socket) -> None:
        config = configure(
            app,
            # The library of the other implementation has deprecated it.
            ws="websockets-sansio",
            ws_max_size=MAX_BODY,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._listeners = [listener, *more]

    def run_until_stopped(self) -> None:
        """Serve until `stop` is called, or SIGTERM or SIGINT arrives."""
        self.run(sockets=self._listeners)

    def stop(self) -> None:
        """Tell the server to stop. May be called from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and print the ready line."""
        await super().startup(sockets)
        print(f"ready {url_of(self._listeners[0])}", flush=True)  # noqa: T201 (the one line that parents wait for)

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
