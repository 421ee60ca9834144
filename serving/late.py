"""An application that the first request creates, since its library takes long to load."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import anyio
import anyio.abc
import anyio.to_thread
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)


class Runnable(Protocol):
    """An application that has to be run while it serves, once."""

    @property
    def asgi_app(self) -> ASGIApp: ...  # noqa: D102

    def run(self) -> AbstractAsyncContextManager[object]:
        """Run it for the duration of the context."""


class LateApp:
    """Passes requests on to an application, which the first one creates.

    Where it can't be loaded now, for want of descriptors or memory, the request is answered 503, and the next one
    tries again.

    Args:
        create: Loads the library, and returns the application; called in a thread of its own.

    Example:
        >>> late = LateApp(create)
        >>> app = FastAPI(lifespan=lambda _: late.open())
        >>> app.router.routes.append(Route("/mcp", late))
    """

    def __init__(self, create: Callable[[], Runnable]) -> None:
        self._create = create
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
                try:
                    created = await anyio.to_thread.run_sync(self._create)
                except (ImportError, MemoryError, OSError) as error:
                    log.warning("can't load what answers %s: %s", scope["path"], error)
                    response = PlainTextResponse("not ready", 503, {"Retry-After": "1"})
                    await response(scope, receive, send)
                    return
                await self._tasks.start(_keep_running, created)
                self._app = created.asgi_app
        await self._app(scope, receive, send)


async def _keep_running(app: Runnable, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    async with app.run():
        task_status.started()
        await anyio.sleep_forever()
