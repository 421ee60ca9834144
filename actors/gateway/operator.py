"""The operator's routes: actions of a person, from the command line or a web page."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path
from fastapi.responses import JSONResponse

from actors.gateway.arguments import Agent, Arguments, Words
from actors.gateway.ask import Router
from actors.gateway.auth import operator_only
from actors.gateway.errors import RouterSilentError
from actors.gateway.tokens import Tokens
from actors.protocol.base import AGENT_PATTERN
from actors.protocol.node_ids import NodeId
from actors.protocol.reports import (
    AnyReport,
    DropDelivery,
    Reply,
    RestartSession,
    RetryBackend,
    RetryDelivery,
    RetrySubtask,
    SendMessage,
    StartSession,
)

PERSON = "person"
"""The sender's name of a person's messages."""

DeliveryId = Annotated[str, Path(pattern=r"^[0-9a-f-]{8,36}$")]
"""A delivery's id, or the beginning of it that is shown."""


class MessageForAgent(Arguments):
    """The body of ``POST /api/messages``."""

    agent: Agent
    text: Words


class RestartOptions(Arguments):
    """The body of ``POST /api/agents/{agent}/restart``."""

    new_conversation: bool = False


def operator_routes(router: Router, tokens: Tokens) -> APIRouter:
    """Return the routes below ``/api``, which need the operator's token.

    They answer ``{"ok", "text"}`` with 200 if the action was done, or 409 if the router refused it. They answer 503
    if the router did not answer in time.
    """
    routes = APIRouter(prefix="/api", dependencies=[Depends(operator_only(tokens))])

    @routes.post("/messages")
    async def send_message(body: MessageForAgent) -> JSONResponse:
        def message(reply: Reply) -> AnyReport:
            return SendMessage(agent=body.agent, text=body.text, sender=PERSON, source="person", reply=reply)

        return await _ask(router, message)

    @routes.post("/agents/{agent}/start")
    async def start_session(agent: Annotated[str, Path(pattern=AGENT_PATTERN)]) -> JSONResponse:
        return await _ask(router, lambda reply: StartSession(agent=agent, reply=reply))

    @routes.post("/agents/{agent}/restart")
    async def restart_session(
        agent: Annotated[str, Path(pattern=AGENT_PATTERN)], body: RestartOptions
    ) -> JSONResponse:
        return await _ask(
            router,
            lambda reply: RestartSession(agent=agent, new_conversation=body.new_conversation, reply=reply),
        )

    @routes.post("/deliveries/{delivery_id}/retry")
    async def retry_delivery(delivery_id: DeliveryId) -> JSONResponse:
        return await _ask(router, lambda reply: RetryDelivery(delivery_id=delivery_id, reply=reply))

    @routes.post("/subtasks/{subtask_id:path}/retry")  # an id may hold a slash
    async def retry_subtask(subtask_id: NodeId) -> JSONResponse:
        return await _ask(router, lambda reply: RetrySubtask(subtask_id=subtask_id, reply=reply))

    @routes.post("/deliveries/{delivery_id}/drop")
    async def drop_delivery(delivery_id: DeliveryId) -> JSONResponse:
        return await _ask(router, lambda reply: DropDelivery(delivery_id=delivery_id, reply=reply))

    @routes.post("/backend/retry")
    async def retry_backend() -> JSONResponse:
        return await _ask(router, lambda reply: RetryBackend(reply=reply))

    return routes


async def _ask(router: Router, report: Callable[[Reply], AnyReport]) -> JSONResponse:
    try:
        answer = await router.ask(report)
    except RouterSilentError as error:
        raise HTTPException(
            503, f"{error}; it isn't known whether this was recorded, so check before you repeat it"
        ) from error
    return JSONResponse({"ok": answer.ok, "text": answer.text}, 200 if answer.ok else 409)
