"""The application: the three interfaces over one runtime, behind the guards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, WebSocket
from starlette.routing import Route

from backend import rest
from backend.fields import MAX_BODY
from backend.guard import TokenGuard, too_large
from backend.runtime import PRODUCT, Runtime
from backend.socket import QUEUE_LIMIT, Connection
from serving import BodyLimit, LateApp

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager


def create_app(runtime: Runtime, token: str, *, queue_limit: int = QUEUE_LIMIT) -> FastAPI:
    """Create the ASGI application. Its shutdown closes the runtime.

    Args:
        runtime: the backend, not started yet.
        token: the token that clients must send.
        queue_limit: the most characters of live events that may wait for one WebSocket client.
    """

    def load_tools() -> "StreamableHTTPSessionManager":
        # The library takes as long to load as all the rest of the backend, and most backends never need it.
        from backend import mcp  # noqa: PLC0415

        return mcp.Tools(runtime).manager

    tools = LateApp(load_tools)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        try:
            async with tools.open():
                yield
        finally:
            runtime.close()

    app = FastAPI(title=PRODUCT, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.runtime = runtime
    app.include_router(rest.router)
    app.router.routes.append(Route("/mcp", tools, methods=["POST"]))
    rest.add_error_handlers(app)
    # The middleware added last runs first.
    app.add_middleware(BodyLimit, limit=MAX_BODY, refuse=too_large)
    app.add_middleware(TokenGuard, token=token, public=frozenset({"/healthz"}))

    @app.get("/healthz")
    async def healthz() -> dict[str, str | int]:
        return {"product": PRODUCT, "last_seq": runtime.hub.last_seq}

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await Connection(websocket, runtime, queue_limit=queue_limit).serve()

    return app
