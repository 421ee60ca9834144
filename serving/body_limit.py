"""The limit on request bodies, before every route."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def too_large(limit: int) -> Response:  # noqa: ARG001 - others tell it
    """Return the plainest refusal."""
    return PlainTextResponse("Request body too large", 413)


class BodyLimit:
    """Answers 413 to a request whose body is larger than the limit, and reads no more than that.

    Starlette's own counts only what a route reads. This one holds before the routes, and so before authentication.

    Args:
        app: The application.
        limit: The limit in bytes.
        refuse: Returns the answer to a larger one, with status 413.
    """

    def __init__(self, app: ASGIApp, limit: int, refuse: Callable[[int], Response] = too_large) -> None:
        self._app = app
        self._limit = limit
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request's body and pass it on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = await self._read(Headers(scope=scope), receive)
        if read is None:
            await self._refuse(self._limit)(scope, receive, send)
        else:
            await self._app(scope, _replay(read, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> Message | None:
        """Return the whole body as one message, or the message that the client has gone; None if it is too large."""
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._limit:
            return None
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            if len(body) > self._limit:
                return None
            more = message.get("more_body", False)
        return {"type": "http.request", "body": bytes(body), "more_body": False}


def _replay(first: Message, receive: Receive) -> Receive:
    left = [first]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay
