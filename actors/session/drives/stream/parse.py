"""The parse boundary of Claude's output stream: each line becomes facts, or is skipped.

Unknown kinds are skipped, so that a newer claude doesn't break anything. The module also writes the lines that Claude
reads.
"""

from collections.abc import Callable
from typing import Any

import orjson

from actors.lib.lenient_json import load_json
from actors.protocol.deliveries import DeliveryState
from actors.session.drive import (
    Acted,
    Answering,
    ApiFailed,
    Fact,
    Limited,
    MessageMoved,
    Noise,
    ReceiptState,
    Retrying,
    TurnBegan,
    TurnOver,
)
from actors.session.drives.stream.activity import of_assistant, of_result, of_user

LIFECYCLE: dict[str, ReceiptState] = {
    "queued": DeliveryState.ACCEPTED,
    "started": DeliveryState.STARTED,
    "completed": DeliveryState.COMPLETED,
    "cancelled": DeliveryState.COMPLETED,
}
"""Receipts by claude's names. ``cancelled`` ends a failed or interrupted turn: the message is in the history too."""
LONGEST_DELAY = 86400.0
"""The longest wait of claude's own retries that is believed, in seconds."""


def parse_line(line: bytes) -> tuple[Fact, ...]:
    """Return the facts in a line of the stream; none for a line of an unknown kind."""
    try:
        data = load_json(line)
    except orjson.JSONDecodeError:
        text = line.decode(errors="replace").strip()
        return (Noise(text=text[:1000]),) if text else ()
    if not isinstance(data, dict):
        return ()
    kind = str(data.get("type"))
    parser, reader = PARSERS.get(kind), ACTIVITIES.get(kind)
    fact = parser(data) if parser else None
    acted = reader(data) if reader else ()
    return (*((fact,) if fact else ()), *((Acted(activities=acted),) if acted else ()))


def _lifecycle(data: dict[str, Any]) -> Fact | None:
    state = LIFECYCLE.get(str(data.get("state")))
    if state is None:
        return None
    return MessageMoved(uuid=str(data.get("command_uuid")), state=state, receipt=f"lifecycle:{data['state']}")


def _user(data: dict[str, Any]) -> Fact | None:
    if not data.get("isReplay"):
        return None
    return MessageMoved(uuid=str(data.get("uuid")), state=DeliveryState.STARTED, receipt="replay")


def _system(data: dict[str, Any]) -> Fact | None:
    match data.get("subtype"):
        case "init":
            servers = _objects(data.get("mcp_servers"))
            failed = tuple(str(each.get("name")) for each in servers if each.get("status") == "failed")
            return TurnBegan(tools_missing=failed)
        case "api_retry":
            status, attempt = data.get("error_status"), data.get("attempt")
            return Retrying(
                status=status if isinstance(status, int) else None,
                attempt=attempt if isinstance(attempt, int) else 0,
                seconds=min(max(0.0, (_number(data.get("retry_delay_ms")) or 0.0) / 1000), LONGEST_DELAY),
                error=str(data.get("error"))[:200],
            )
    return None


def _assistant(data: dict[str, Any]) -> Fact | None:
    return ApiFailed(kind=str(data.get("error"))[:200]) if data.get("is_api_error_message") else Answering()


def _limit(data: dict[str, Any]) -> Fact | None:
    info = data.get("rate_limit_info")
    if not isinstance(info, dict):
        return None
    return Limited(until=_number(info.get("resetsAt")) if info.get("status") == "rejected" else None)


def _result(data: dict[str, Any]) -> Fact:
    text, status = data.get("result"), data.get("api_error_status")
    error = None
    if data.get("is_error"):
        error = str(text or data.get("errors") or data.get("terminal_reason") or data.get("subtype"))[:1000]
    return TurnOver(
        text="" if error or not isinstance(text, str) else text,
        error=error,
        by_api=error is not None and data.get("terminal_reason") == "api_error",
        status=status if isinstance(status, int) else None,
        denied=tuple(str(each.get("tool_name")) for each in _objects(data.get("permission_denials"))),
        cost_usd=_number(data.get("total_cost_usd")),
    )


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


PARSERS: dict[str, Callable[[dict[str, Any]], Fact | None]] = {
    "assistant": _assistant,
    "command_lifecycle": _lifecycle,
    "rate_limit_event": _limit,
    "result": _result,
    "system": _system,
    "user": _user,
}
ACTIVITIES = {"assistant": of_assistant, "result": of_result, "user": of_user}
"""Readers of the agent's words and actions, for the feed."""


def user_message(uuid: str, text: str) -> bytes:
    """Return the line that gives claude a message."""
    message = {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}
    return orjson.dumps(message) + b"\n"


def interrupt_request(request_id: str) -> bytes:
    """Return the line that asks claude to end the running turn."""
    request = {"type": "control_request", "request_id": request_id, "request": {"subtype": "interrupt"}}
    return orjson.dumps(request) + b"\n"
