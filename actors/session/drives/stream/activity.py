"""What the agent says and does, in the lines of claude's stream: short forms, for the feed.

Lines of subagents count too. Nothing here is evidence of anything: receipts and turns have parsers of their own.
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
    """Read the model's texts and its uses of tools; an error that is put into its mouth is none of its words."""
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
    """Read what tools have returned; what was said to the model is none of its activities."""
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
    """Read what went wrong in a turn, unless the API's error was told before, and what all has cost by now."""
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
    """The first blocks of a line's message."""
    message = data.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return [each for each in content if isinstance(each, dict)][:MOST] if isinstance(content, list) else []


def _text(content: object) -> str:
    """What a text says, or a list of blocks (one that isn't text is named only)."""
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
    """The beginning of a value as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:LONGEST_INPUT]
    except RecursionError:
        return "(too deep)"
