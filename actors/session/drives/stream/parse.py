"""The parse boundary of Claude's output stream: each line becomes facts, or is skipped.

Unknown kinds are skipped, so that a newer claude doesn't break anything. The module also writes the lines that Claude
reads.
"""

import json
from typing import Any

import orjson

from actors.lib.lenient_json import load_json
from actors.protocol.sessions import Refusal
from actors.session.drive import (
    Acted,
    Answering,
    ApiFailed,
    BackgroundChanged,
    BackgroundTask,
    Fact,
    Limited,
    Noise,
    Refused,
    Retrying,
    RunningChanged,
    TurnBegan,
    TurnOver,
)
from actors.session.drives.stream.activity import of_assistant, of_result, of_user
from actors.session.drives.stream.evidence import Evidence
from actors.session.drives.stream.place import named_in

TELLING = ("command", "file_path", "notebook_path", "url", "query", "path", "pattern")
"""The fields of a tool's input that say what it was to do, the first that is there."""
LONGEST_DELAY = 86400.0
"""The longest wait of claude's own retries that is believed, in seconds."""
MOST_TASKS = 50
LONGEST_TEXT = 1000
MOST_CANDIDATES = 3
MOST_VERSION = 100
"""Bounds: of background tasks, of texts in characters, of places in a line where an object may begin, and of names."""
BACKGROUND = "task-notification"

ACTIVITIES = {"assistant": of_assistant, "result": of_result, "user": of_user}
"""Readers of the agent's words and actions, for the feed."""


class StreamParser:
    """Parses the output of one process.

    Args:
        conversation: The id of its conversation.

    Attributes:
        transcript: The path of the conversation's transcript, as far as claude has named it; relative to claude's
            working directory.

    Example:
        >>> parser = StreamParser()
        >>> parser.parse(b'{"type": "assistant"}')
        (Answering(),)
    """

    def __init__(self, conversation: str = "") -> None:
        self.transcript = ""
        self._conversation = conversation
        self._evidence = Evidence()
        self._parsers = {
            "assistant": _assistant,
            "command_lifecycle": self._lifecycle,
            "rate_limit_event": _limit,
            "result": _result,
            "system": self._system,
            "user": self._user,
        }

    def parse(self, line: bytes) -> tuple[Fact, ...]:
        """Return the facts in a line of the stream; none for a line of an unknown kind."""
        data = _object(line)
        if data is None:
            text = line.decode(errors="replace").strip()
            return (Noise(text=text[:LONGEST_TEXT]),) if text else ()
        kind = str(data.get("type"))
        parser, reader = self._parsers.get(kind), ACTIVITIES.get(kind)
        facts = parser(data) if parser else ()
        acted = reader(data) if reader else ()
        return (*facts, Acted(activities=acted)) if acted else facts

    def _lifecycle(self, data: dict[str, Any]) -> tuple[Fact, ...]:
        uuid = str(data.get("command_uuid"))
        match data.get("state"):
            case "queued":
                return self._evidence.queued(uuid)
            case "started":
                return self._evidence.started(uuid)
            case "completed" | "cancelled" as state:
                return self._evidence.ended(uuid, state)
        return ()

    def _user(self, data: dict[str, Any]) -> tuple[Fact, ...]:
        # Claude puts the time on a message that it takes in, and none on a copy of one that it had before.
        if not data.get("isReplay") or "timestamp" not in data:
            return ()
        return self._evidence.replayed(str(data.get("uuid")))

    def _system(self, data: dict[str, Any]) -> tuple[Fact, ...]:
        match data.get("subtype"):
            case "init":
                uuids = data.get("user_message_uuids")
                self._evidence.turn_began(map(str, uuids) if isinstance(uuids, list) else ())
                self.transcript = named_in(data, self._conversation) or self.transcript
                return (_turn_began(data),)
            case "api_retry":
                return (_retrying(data),)
            case "informational":
                return _refused(data)
            case "background_tasks_changed":
                return (_background(data),)
            case "session_state_changed":
                return (RunningChanged(is_running=data.get("state") != "idle"),)
        return ()


def _object(line: bytes) -> dict[str, Any] | None:
    """Return the object in a line; a wrapper or a shell's greeting may stand before or after it."""
    try:
        data = load_json(line)
    except orjson.JSONDecodeError:
        return _object_within(line)
    return data if isinstance(data, dict) else {}


def _object_within(line: bytes) -> dict[str, Any] | None:
    text, start = line.decode(errors="replace"), -1
    for _ in range(MOST_CANDIDATES):
        start = text.find('{"', start + 1)
        if start < 0:
            return None
        try:
            data, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and "type" in data:
            return data
    return None


def _turn_began(data: dict[str, Any]) -> Fact:
    servers = _objects(data.get("mcp_servers"))
    failed = tuple(str(each.get("name")) for each in servers if each.get("status") == "failed")
    return TurnBegan(tools_missing=failed, version=str(data.get("claude_code_version") or "")[:MOST_VERSION])


def _retrying(data: dict[str, Any]) -> Fact:
    status, attempt = data.get("error_status"), data.get("attempt")
    return Retrying(
        status=status if isinstance(status, int) else None,
        attempt=attempt if isinstance(attempt, int) else 0,
        seconds=min(max(0.0, (_number(data.get("retry_delay_ms")) or 0.0) / 1000), LONGEST_DELAY),
        error=str(data.get("error"))[:200],
    )


def _refused(data: dict[str, Any]) -> tuple[Fact, ...]:
    outcome = data.get("prompt_submit_outcome")
    if not isinstance(outcome, dict) or not str(outcome.get("kind")).endswith("_by_hook"):
        return ()
    reason = str(outcome.get("reason") or data.get("content"))[:LONGEST_TEXT]
    return (Refused(reason=reason, is_kept=bool(outcome.get("prompt_kept"))),)


def _background(data: dict[str, Any]) -> Fact:
    tasks = _objects(data.get("tasks"))[:MOST_TASKS]
    return BackgroundChanged(
        tasks=tuple(
            BackgroundTask(
                id=str(each.get("task_id"))[:200],
                description=str(each.get("description") or each.get("task_type"))[:200],
            )
            for each in tasks
        )
    )


def _assistant(data: dict[str, Any]) -> tuple[Fact, ...]:
    return (
        ApiFailed(kind=str(data.get("error"))[:200]) if data.get("is_api_error_message") else Answering(),
    )


def _limit(data: dict[str, Any]) -> tuple[Fact, ...]:
    info = data.get("rate_limit_info")
    if not isinstance(info, dict):
        return ()
    return (Limited(until=_number(info.get("resetsAt")) if info.get("status") == "rejected" else None),)


def _result(data: dict[str, Any]) -> tuple[Fact, ...]:
    text, status = data.get("result"), data.get("api_error_status")
    error = None
    if data.get("is_error"):
        error = str(text or data.get("errors") or data.get("terminal_reason") or data.get("subtype"))[:1000]
    return (
        TurnOver(
            text="" if error or not isinstance(text, str) else text,
            error=error,
            by_api=error is not None
            and (isinstance(status, int) or data.get("terminal_reason") == "api_error"),
            status=status if isinstance(status, int) else None,
            denied=tuple(_refusal(each) for each in _objects(data.get("permission_denials"))),
            cost_usd=_number(data.get("total_cost_usd")),
            origin=_origin(data.get("origin")),
            was_asked=error is not None or data.get("num_turns") != 0,
        ),
    )


def _origin(value: object) -> str:
    """Return what began a turn; empty for the end of background work, which belongs to the turn that began it."""
    kind = str(value.get("kind") or "") if isinstance(value, dict) else ""
    return "" if kind == BACKGROUND else kind[:MOST_VERSION]


def _refusal(data: dict[str, Any]) -> Refusal:
    given = data.get("tool_input")
    values = [given.get(key) for key in TELLING] if isinstance(given, dict) else []
    text = next((value for value in values if isinstance(value, str)), "")
    return Refusal(tool=str(data.get("tool_name"))[:200], input=text[:1000])


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def user_message(uuid: str, text: str) -> bytes:
    """Return the line that gives claude a message."""
    message = {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}
    return orjson.dumps(message) + b"\n"


def interrupt_request(request_id: str) -> bytes:
    """Return the line that asks claude to end the running turn."""
    request = {"type": "control_request", "request_id": request_id, "request": {"subtype": "interrupt"}}
    return orjson.dumps(request) + b"\n"
