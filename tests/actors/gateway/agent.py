"""An agent's side: the SDK's own client over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.actors.gateway.conftest import SECONDS, Gateway

T = TypeVar("T")


@asynccontextmanager
async def session(gateway: Gateway, agent: str, mode: str = "auto") -> AsyncIterator[Client]:
    headers = gateway.headers(gateway.tokens.for_agent(agent))
    http = httpx2.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False)
    async with (
        http,
        Client(streamable_http_client(f"{gateway.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, SECONDS))


def call(
    gateway: Gateway, tool: str, arguments: dict[str, Any] | None = None, *, agent: str = "coder"
) -> CallToolResult:
    """One call in a session of its own."""

    async def work() -> CallToolResult:
        async with session(gateway, agent) as client:
            return await client.call_tool(tool, arguments or {})

    return run(work())


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]
