"""ASGI middleware before every interface: the token check, and the limit on request bodies."""

import hmac
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.fields import MAX_BODY


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


class BodyLimit:
    """Answers 413 to a request whose body is larger than the limit, and reads no more than that.

    Args:
        app: the guarded application.
        limit: the limit in bytes.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request's body and pass it on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(Headers(scope=scope), receive)
        if body is None:
            refusal = _refuse(413, "too_large", f"a request body may have {self._limit} bytes at most")
            await refusal(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._limit:
            return None
        body = bytearray()
        more = True
        while more and len(body) <= self._limit:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body) if len(body) <= self._limit else None


def _replay(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": code, "message": message, "fields": {}}, status_code=status)
