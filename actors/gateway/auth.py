"""Authentication: a bearer token for each agent, another for the operator."""

from collections.abc import Callable

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.gateway.tokens import Tokens

AGENT = "agent"
"""The key in a request's scope for the name of the calling agent."""
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def bearer_token(headers: Headers) -> str:
    """Return the token of the ``Authorization`` header; empty if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class AgentsOnly:
    """Passes on requests with an agent's token, and puts the agent's name into their scope.

    Args:
        app: The protected application.
        tokens: Verifies tokens.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the agent's name, or answer 401."""
        agent = self._tokens.agent_of(bearer_token(Headers(scope=scope)))
        if agent is None:
            refusal = PlainTextResponse("An agent's bearer token is needed.", 401, _CHALLENGE)
            await refusal(scope, receive, send)
            return
        await self._app({**scope, AGENT: agent}, receive, send)


def operator_only(tokens: Tokens) -> Callable[[Request], None]:
    """Return a dependency for routes that only the operator may use; others get 401."""

    def check(request: Request) -> None:
        if not tokens.is_operator(bearer_token(request.headers)):
            raise HTTPException(401, "The operator's bearer token is needed.", _CHALLENGE)

    return check
