"""The door to the MCP interface, which is loaded when the first client comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.runtime import Runtime

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager


class McpDoor:
    """Passes requests on to the MCP interface, which the first one creates.

    Its library takes as long to load as all the rest of the backend, and most backends never need it.

    Args:
        runtime: the backend.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._loading = asyncio.Lock()
        self._app: ASGIApp | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve for the duration of the context."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        async with self._loading:
            if self._app is None:
                manager = await anyio.to_thread.run_sync(self._create)
                await self._tasks.start(_keep_running, manager)
                self._app = manager.asgi_app
        await self._app(scope, receive, send)

    def _create(self) -> "StreamableHTTPSessionManager":
        from backend import mcp  # noqa: PLC0415 (see the class)

        return mcp.Tools(self._runtime).manager


async def _keep_running(
    manager: "StreamableHTTPSessionManager", *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    async with manager.run():
        task_status.started()
        await anyio.sleep_forever()
