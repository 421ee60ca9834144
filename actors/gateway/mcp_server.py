"""The MCP server for agents: each call becomes a report of the agent whose token it carries."""

import json
from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from pydantic import ValidationError
from starlette.requests import Request

from actors.gateway.arguments import explain
from actors.gateway.ask import Router
from actors.gateway.auth import AGENT
from actors.gateway.errors import RouterSilentError
from actors.gateway.tools import TOOLS, AgentTool

_INSTRUCTIONS = (
    "The coordinator that assigns your subtasks. Finish each one with complete_subtask, or report_blocked"
    " if you can't continue; agents that wait for you learn of it only this way."
)

Context = ServerRequestContext[Any, Request]


class AgentTools:
    """Answers agents' calls.

    Args:
        router: Receives the reports.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def manager(self) -> StreamableHTTPSessionManager:
        """Create the HTTP side, to be run once. It has no sessions, so that clients don't notice a restart."""
        server = Server(
            "coordinator", instructions=_INSTRUCTIONS, on_list_tools=self._list, on_call_tool=self._call
        )
        return StreamableHTTPSessionManager(server, json_response=True, stateless=True)

    async def _list(self, _context: Context, _page: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.describe() for tool in TOOLS.values()])

    async def _call(self, context: Context, call: CallToolRequestParams) -> CallToolResult:
        tool = TOOLS.get(call.name)
        if tool is None:
            return _error(f"There is no tool {call.name[:100]!r}. There are: {', '.join(TOOLS)}.")
        try:
            arguments = tool.model_validate(call.arguments or {})
        except ValidationError as error:
            return _error(
                f"{call.name} was not carried out; call it again with these corrected:\n{explain(error)}"
            )
        agent = _caller(context)
        try:
            answer = await self._router.ask(lambda reply: arguments.report(agent, reply))
        except RouterSilentError as error:
            return _error(_unknown(tool, error))
        return _result(answer.text, answer.data, failed=not answer.ok)


def _caller(context: Context) -> str:
    if context.request is None:
        raise RuntimeError("a call without its request: only HTTP is served")
    agent: str = context.request.scope[AGENT]
    return agent


def _unknown(tool: type[AgentTool], error: RouterSilentError) -> str:
    if tool.reads_only:
        return f"No answer ({error}). Call {tool.name} again."
    advice = "nothing is counted twice." if tool.repeatable else "it may then arrive twice."
    return (
        f"No answer ({error}): it isn't known whether {tool.name} was recorded."
        f" Call it again with the same arguments; {advice}"
    )


def _result(text: str, data: dict[str, Any] | None, *, failed: bool) -> CallToolResult:
    texts = [text] if data is None else [text, json.dumps(data, ensure_ascii=False, indent=1)]
    return CallToolResult(content=[TextContent(text=each) for each in texts], is_error=failed)


def _error(text: str) -> CallToolResult:
    return _result(text, None, failed=True)
