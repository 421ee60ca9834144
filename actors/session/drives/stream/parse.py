"""What Claude's output stream says, as far as the session actor needs it.

One parse boundary: a line becomes a fact, or is skipped. Kinds that aren't known here are skipped, so that a
newer claude doesn't break anything.
"""

from typing import Any

import orjson

from actors.lib.lenient_json import load_json
from actors.protocol.base import Model
from actors.protocol.deliveries import DeliveryState

LIFECYCLE = {
    "queued": DeliveryState.ACCEPTED,
    "started": DeliveryState.STARTED,
    "completed": DeliveryState.COMPLETED,
    "cancelled": DeliveryState.COMPLETED,
}
"""A failed or interrupted turn is ``cancelled``: the message is in the history all the same."""
LONGEST_DELAY = 86400.0
"""No retry of claude's own waits longer, in seconds, whatever it says."""


class MessageMoved(Model):
    """A message that was written into the session came further; ``receipt`` is Claude's own word for it."""

    uuid: str
    state: DeliveryState
    receipt: str


class TurnBegan(Model):
    """The model was asked; ``tools_missing`` names MCP servers that didn't connect."""

    tools_missing: tuple[str, ...] = ()


class Answering(Model):
    """The model speaks."""


class Limited(Model):
    """What claude knows of the account's usage limit.

    Attributes:
        until: When a limit that is reached ends, in seconds since the epoch; None: none is reached.
    """

    until: float | None


class Retrying(Model):
    """The API failed and claude tries again by itself.

    Attributes:
        status: The API's HTTP status, where there was an answer.
        attempt: Which attempt comes next, counted from 1.
        seconds: How long claude waits before it.
        error: Claude's name for what went wrong.
    """

    status: int | None
    attempt: int
    seconds: float
    error: str

    @property
    def words(self) -> str:
        """What a person is told of it."""
        answer = f"the API answered {self.status}" if self.status else "the API can't be reached"
        return f"{answer} ({self.error}); attempt {self.attempt}"


class ApiFailed(Model):
    """The API has failed a turn for good; ``kind`` is claude's name for it. The turn's end follows."""

    kind: str


class TurnOver(Model):
    """A turn has ended.

    Attributes:
        text: What Claude said last.
        error: Why it failed, if it did.
        by_api: It was the API that failed, after claude's own attempts.
        status: The API's HTTP status, where there was an answer.
        denied: The tools that were refused.
    """

    text: str = ""
    error: str | None = None
    by_api: bool = False
    status: int | None = None
    denied: tuple[str, ...] = ()
    cost_usd: float | None = None

    @property
    def failure(self) -> str:
        """What a person is told of a turn that the API has failed."""
        return f"the API answered {self.status}: {self.error}" if self.status else str(self.error)


class Noise(Model):
    """A line that is no JSON: a warning, or the reason why claude gives up."""

    text: str


Fact = MessageMoved | TurnBegan | Answering | Limited | Retrying | ApiFailed | TurnOver | Noise


def parse_line(line: bytes) -> Fact | None:
    """The fact in a line of the stream, or None where there is none that matters."""
    try:
        data = load_json(line)
    except orjson.JSONDecodeError:
        text = line.decode(errors="replace").strip()
        return Noise(text=text[:1000]) if text else None
    if not isinstance(data, dict):
        return None
    parser = PARSERS.get(str(data.get("type")))
    return parser(data) if parser else None


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


PARSERS = {
    "assistant": _assistant,
    "command_lifecycle": _lifecycle,
    "rate_limit_event": _limit,
    "result": _result,
    "system": _system,
    "user": _user,
}


def user_message(uuid: str, text: str) -> bytes:
    """The line that gives claude a message."""
    message = {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}
    return orjson.dumps(message) + b"\n"
