"""An HTTP server in a thread of its own, on a socket that outlives it."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

import uvicorn
from starlette.types import ASGIApp

from actors.gateway.errors import ServerDiedError
from actors.lib.deadlines import HTTP as STOP_SECONDS
from serving import BoundedServer, configure

START_SECONDS = 10.0
_GRACE_SECONDS = 0.5
"""Seconds that running requests may continue after a stop; with the rest (0.1 s) well within STOP_SECONDS."""


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a log record of uvicorn's is more than the notice that a stop has cut off a request."""
    if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
        return False
    return not str(record.msg).startswith("Cancel %s running task(s)")


class _Server(BoundedServer):
    """A server that reports its start and the beginning of its stop."""

    def __init__(self, config: uvicorn.Config, started: Future[None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._started_future = started
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started_future.set_result(None)

    async def main_loop(self) -> None:
        try:
            await super().main_loop()
        except asyncio.CancelledError:
            self._abort_connections()  # the event loop is ending
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)
        self._abort_connections()
        await asyncio.sleep(0)  # the loop closes the connections in this step

    def _abort_connections(self) -> None:
        """Close all connections at once, so that no client waits for an answer, and no slow reader delays the stop."""
        for connection in self.server_state.connections:
            connection.transport.abort()


class HttpThread:
    """Serves an application until it is stopped.

    Args:
        app: The application.
        listener: The listening socket. It stays open: the server uses a duplicate, so connections wait in the
            backlog while there is no server.
        on_stop: Called in the event loop when a stop begins, to end long requests.
        on_death: Called in the server's thread when that ends without being stopped.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        on_stop: Callable[[], None],
        on_death: Callable[[ServerDiedError], None],
    ) -> None:
        # Uvicorn handles signals only in the main thread, so not here; the application configures logging.
        config = configure(
            app,
            loop="asyncio",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        for chatty in ("uvicorn", "mcp"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._started: Future[None] = Future()
        self._server = _Server(config, self._started, on_stop)
        self._socket = listener.dup()
        self._on_death = on_death
        self._thread = threading.Thread(target=self._run, name="gateway-http", daemon=True)

    def start(self, seconds: float = START_SECONDS) -> None:
        """Start the server, and return when it answers requests.

        Raises:
            TimeoutError: It did not start in time.
            ServerDiedError: It ended instead; `__cause__` has the reason.
        """
        self._thread.start()
        self._started.result(seconds)

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Stop serving. Running requests are cut off after a short grace period.

        Returns:
            True if the thread ended in time.
        """
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(seconds)
        self._socket.close()
        return not self._thread.is_alive()

    def _run(self) -> None:
        reason: BaseException | None = None
        try:
            self._server.run([self._socket])
        except BaseException as error:  # noqa: BLE001 - a thread's boundary: every error is reported
            reason = error
        if not self._started.done():
            self._started.set_exception(_death("the HTTP server could not start", reason))
        elif not self._server.should_exit:
            self._on_death(_death("the HTTP server ended by itself", reason))


def _death(what: str, cause: BaseException | None) -> ServerDiedError:
    error = ServerDiedError(what)
    error.__cause__ = cause
    return error
