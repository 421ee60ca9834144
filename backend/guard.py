"""Guards before every interface: the token check, and the refusal of bodies that are too large."""

import hmac
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send


class TokenGuard:
    """Refuses clients without the token: 401 for a request, 403 for a WebSocket's handshake.

    A WebSocket may also send the token in its query string, because browsers can't set its headers.

    Args:
        app: the guarded application.
        token: the secret; compared in constant time.
        public: paths that need no token.
    """

    def __init__(self, app: ASGIApp, token: str, public: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._token = token.encode()
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan" or scope["path"] in self._public or self._is_authorized(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refuse(401, "unauthorized", "send the token as 'Authorization: Bearer …'")(
                scope, receive, send
            )

    def _is_authorized(self, scope: Scope) -> bool:
        scheme, _, shown = Headers(scope=scope).get("authorization", "").partition(" ")
        candidates = [shown.strip()] if scheme.lower() == "bearer" else []
        if scope["type"] == "websocket":
            candidates += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return any(hmac.compare_digest(each.encode(), self._token) for each in candidates)


def too_large(limit: int) -> Response:
    """Return the answer to a request whose body is larger than this limit in bytes."""
    return _refuse(413, "too_large", f"a request body may have {limit} bytes at most")


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": code, "message": message, "fields": {}}, status_code=status)
