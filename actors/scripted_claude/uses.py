"""The use of a tool in a turn: permission, run, and result."""

import uuid

from .account import Account
from .inbox import Inbox, Interrupted
from .options import Options
from .output import Output
from .play import Tool
from .tools import Result, Tools
from .transcript import Transcript

_STOPPED = "The user doesn't want to proceed with this tool use. This call was stopped while running."


class Uses:
    """Uses tools, one at a time.

    Args:
        options: the command line, which decides who is asked for permission.
        inbox: the source of the host's answers, and of interruptions.
        output: where events go.
        transcript: the session's file.
        tools: the tools.
        account: records denials.
    """

    def __init__(
        self,
        options: Options,
        inbox: Inbox,
        output: Output,
        transcript: Transcript,
        tools: Tools,
        account: Account,
    ) -> None:
        self._options = options
        self._inbox = inbox
        self._output = output
        self._transcript = transcript
        self._tools = tools
        self._account = account

    def use(self, use_id: str, tool: Tool) -> None:
        """Use a tool.

        Raises:
            Interrupted: the user ended the turn meanwhile.
        """
        self._tell(use_id, self._permitted(use_id, tool))
        if self._inbox.interrupted.is_set():
            raise Interrupted("aborted_tools")

    def _permitted(self, use_id: str, tool: Tool) -> Result:
        reason = self._tools.needs_permission(tool)
        if reason and self._options.asks_host:
            tool, reason = self._ask(use_id, tool)
        if reason:
            return self._deny(use_id, tool, reason)
        result = self._tools.run(use_id, tool)
        return Result(_STOPPED, is_error=True) if self._inbox.interrupted.is_set() else result

    def _ask(self, use_id: str, tool: Tool) -> tuple[Tool, str]:
        """Ask the host; return the tool as it may run, and why it may not, or ""."""
        request_id = str(uuid.uuid4())
        request = {
            "subtype": "can_use_tool",
            "tool_name": tool.name,
            "input": tool.input,
            "tool_use_id": use_id,
        }
        self._output.ask(request_id, request)
        answer = self._inbox.answer(request_id) or {"behavior": "deny", "message": _STOPPED}
        if answer.get("behavior") == "allow":
            return Tool(tool.name, dict(answer.get("updatedInput") or tool.input)), ""
        return tool, str(answer.get("message") or "denied")

    def _deny(self, use_id: str, tool: Tool, reason: str) -> Result:
        if not self._options.asks_host:
            self._output.event(
                "system", subtype="permission_denied", tool_name=tool.name, tool_use_id=use_id, message=reason
            )
        self._account.denials.append(
            {"tool_name": tool.name, "tool_use_id": use_id, "tool_input": tool.input}
        )
        return Result(reason, is_error=True)

    def _tell(self, use_id: str, result: Result) -> None:
        content = [
            {
                "type": "tool_result",
                "tool_use_id": use_id,
                "content": result.content,
                "is_error": result.is_error,
            }
        ]
        self._transcript.user("", content)
        self._output.event("user", message={"role": "user", "content": content}, parent_tool_use_id=None)
