"""A server that accepts no faster than it serves, and whose log doesn't grow with the number of bad clients."""

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from serving.connections import BoundedConnection
from serving.sockets import BACKLOG

FOLD_SECONDS = 60.0
"""The time within which a repeated message is counted instead of logged."""
_FAILED_ACCEPT = "socket.accept() out of system resource"

_log = logging.getLogger("uvicorn.error")


class Folding(logging.Filter):
    """Logs a warning of one template once a minute; the next time it says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log the record."""
        if record.levelno > logging.WARNING:
            return True
        template, now = str(record.msg), time.monotonic()
        since, left_out = self._logged.get(template, (-FOLD_SECONDS, 0))
        if now - since < FOLD_SECONDS:
            self._logged[template] = since, left_out + 1
            return False
        self._logged[template] = now, 0
        if left_out:
            record.msg = f"{template} ({left_out} more in the meantime)"
        return True


FOLDING = Folding()
"""The filter of uvicorn's logger, which all servers of a process share."""


def configure(app: ASGIApp, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's own
    """Return a server's configuration: bounded connections, and no log of its own.

    Args:
        app: The application.
        options: More of uvicorn's options.
    """
    # asyncio accepts as many connections at once as the backlog has; more than one would overshoot the bound.
    # No access log: it would contain query strings, and tokens in them.
    return uvicorn.Config(
        app, http=BoundedConnection, backlog=1, lifespan="on", log_config=None, access_log=False, **options
    )


class BoundedServer(uvicorn.Server):
    """A server on open sockets, to be created with a configuration of `configure`."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve."""
        _log.addFilter(FOLDING)
        asyncio.get_running_loop().set_exception_handler(_on_error)
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)  # which asyncio has set to the number that it accepts at once


def _on_error(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    if context.get("message") == _FAILED_ACCEPT:
        _log.warning("no connection can be accepted at the moment: %s", context.get("exception"))
    else:
        loop.default_exception_handler(dict(context))
