"""The gateway's application: all routes, on loopback only."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route

from actors.gateway.ask import Router
from actors.gateway.auth import AgentsOnly
from actors.gateway.events import EventStreams, event_routes
from actors.gateway.operator import operator_routes
from actors.gateway.tokens import Tokens
from actors.protocol.feed import WritingPaused
from serving import BodyLimit, LateApp

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PRODUCT = "agent-coordinator"
MAX_BODY_BYTES = 1024 * 1024


def build_app(
    router: Router,
    tokens: Tokens,
    streams: EventStreams,
    *,
    paused: Callable[[], WritingPaused | None] = lambda: None,
    extra: Sequence[APIRouter] = (),
) -> FastAPI:
    """Create the application, which can be served only once.

    Args:
        router: Receives the reports.
        tokens: Verifies agents and the operator.
        streams: The clients that follow the events.
        paused: Returns the pause if the journal can't be written at the moment.
        extra: More routes to serve, each with its own authentication.
    """

    def load_tools() -> "StreamableHTTPSessionManager":
        # The library takes longer to load than all else that the coordinator needs, and a claude takes longer still.
        from actors.gateway.mcp_server import AgentTools  # noqa: PLC0415

        return AgentTools(router).manager()

    tools = LateApp(load_tools)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lambda _app: tools.open())
    app.add_exception_handler(RequestValidationError, _unusable)
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES)
    # Outermost, against DNS rebinding: a web page can point its own name at loopback, but Host then has that name.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False)
    # POST only: without sessions there is no stream for GET, which gets 405.
    app.router.routes.append(Route("/mcp", AgentsOnly(tools, tokens), methods=["POST"]))

    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        """Report the coordinator's health. Needs no token, because monitoring programs have none."""
        now = paused()
        status = "ok" if now is None else "paused"
        return {"status": status, "product": PRODUCT, "paused": None if now is None else now.model_dump()}

    for routes in (operator_routes(router, tokens), event_routes(streams, tokens), *extra):
        app.include_router(routes)
    return app


async def _unusable(_request: Request, error: Exception) -> JSONResponse:
    # The framework's own answer repeats the input, which may contain text that can't be encoded.
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return JSONResponse({"detail": "; ".join(problems)}, 422)
