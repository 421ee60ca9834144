"""Readers of the agent's words and actions in claude's stream, shortened for the feed.

Lines of subagents count too. Nothing here counts as evidence: receipts and turns have parsers of their own.
"""

import json
from typing import Any

from actors.protocol.feed import Activity, Cost, Said, ToolReturned, ToolUsed, WentWrong

LONGEST_TEXT = 8000
LONGEST_INPUT = 500
LONGEST_RESULT = 1000
LONGEST_NAME = 200
MOST = 50
"""Bounds: of texts, of a tool's input and of its result, and of names, in characters; of activities a line."""


def of_assistant(data: dict[str, Any]) -> tuple[Activity, ...]:
    """Read the model's texts and uses of tools, and errors of the API, which claude writes in the model's name."""
    failed = bool(data.get("is_api_error_message"))
    found: list[Activity] = []
    for block in _blocks(data):
        match block.get("type"):
            case "text" if text := str(block.get("text") or "")[:LONGEST_TEXT]:
                found.append(WentWrong(text=text) if failed else Said(text=text))
            case "tool_use":
                found.append(
                    ToolUsed(
                        tool=str(block.get("name"))[:LONGEST_NAME],
                        use_id=str(block.get("id"))[:LONGEST_NAME],
                        input=_compact(block.get("input")),
                    )
                )
    return tuple(found)


def of_user(data: dict[str, Any]) -> tuple[Activity, ...]:
    """Read the results of tools; messages to the model are no activity of its own."""
    return tuple(
        ToolReturned(
            use_id=str(block.get("tool_use_id"))[:LONGEST_NAME],
            result=_text(block.get("content"))[:LONGEST_RESULT],
            is_error=bool(block.get("is_error")),
        )
        for block in _blocks(data)
        if block.get("type") == "tool_result"
    )


def of_result(data: dict[str, Any]) -> tuple[Activity, ...]:
    """Read a turn's error, unless it is the API's and was read before, and the cost of the session so far."""
    found: list[Activity] = []
    if data.get("is_error") and data.get("terminal_reason") != "api_error":
        reason = (
            data.get("result") or data.get("errors") or data.get("terminal_reason") or data.get("subtype")
        )
        found.append(WentWrong(text=_text(reason)[:LONGEST_TEXT]))
    cost = data.get("total_cost_usd")
    if isinstance(cost, int | float):
        found.append(Cost(usd=float(cost)))
    return tuple(found)


def _blocks(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks of a line's message, at most ``MOST``."""
    message = data.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return [each for each in content if isinstance(each, dict)][:MOST] if isinstance(content, list) else []


def _text(content: object) -> str:
    """Return the text of a string or of a list of blocks; a block that isn't text is only named."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else str(content)[:LONGEST_TEXT]
    parts = []
    for each in content[:MOST]:
        if isinstance(each, dict):
            parts.append(str(each.get("text")) if each.get("type") == "text" else f"({each.get('type')})")
        else:
            parts.append(str(each)[:LONGEST_TEXT])
    return "\n".join(parts)


def _compact(value: object) -> str:
    """Return the beginning of a value as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:LONGEST_INPUT]
    except RecursionError:
        return "(too deep)"
