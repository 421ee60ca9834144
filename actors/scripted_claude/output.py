"""The stand-in's output: events, one per line."""

import json
import os
import sys
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def now() -> str:
    """Return the time as the stream and the transcript write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Output:
    """Standard output, shared by the reading thread and the worker.

    Args:
        session: the session's id, in each event.
        replay: whether user messages are echoed.
        receipts: whether life-cycle events and replays are written at all.
        late: seconds by which life-cycle events are held back.
    """

    def __init__(self, session: str, *, replay: bool = True, receipts: bool = True, late: float = 0) -> None:
        self.session = session
        self._replay = replay and receipts
        self._receipts = receipts
        self._late = late
        self._lock = threading.Lock()
        self._tells_state = os.environ.get("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS") == "1"
        self._state = "idle"

    def raw(self, text: str) -> None:
        """Write any text, which need not be an event."""
        with self._lock:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()

    def event(self, kind: str, **fields: object) -> None:
        """Write an event; one without an id gets one."""
        event = {"type": kind, **fields, "session_id": self.session}
        event.setdefault("uuid", str(uuid.uuid4()))
        self.raw(json.dumps(event, ensure_ascii=False) + "\n")

    def lifecycle(self, message_id: str, state: str) -> None:
        """Write a receipt for a message; one that came without an id gets none."""
        if not (self._receipts and message_id):
            return
        if self._late:
            threading.Timer(self._late, self._lifecycle, (message_id, state)).start()
        else:
            self._lifecycle(message_id, state)

    def _lifecycle(self, message_id: str, state: str) -> None:
        self.event("command_lifecycle", command_uuid=message_id, state=state)

    def replay(self, message_id: str, message: Mapping[str, Any], *, fresh: bool = True) -> None:
        """Echo a user message; only one that is being answered has a time."""
        if self._replay:
            stamp = {"timestamp": now()} if fresh else {}
            self.event(
                "user",
                message=message,
                parent_tool_use_id=None,
                uuid=message_id or str(uuid.uuid4()),
                **stamp,
                isReplay=True,
            )

    def state(self, state: str) -> None:
        """Tell whether a turn is running or the program is idle, if that has changed and was asked for."""
        if self._tells_state and state != self._state:
            self._state = state
            self.event("system", subtype="session_state_changed", state=state)

    def tasks(self, tasks: list[dict[str, str]]) -> None:
        """Tell of all background work."""
        self.event("system", subtype="background_tasks_changed", tasks=tasks)

    def reply(self, response: Mapping[str, Any]) -> None:
        """Answer a control request."""
        self.raw(json.dumps({"type": "control_response", "response": response}) + "\n")

    def echo_reply(self, response: Mapping[str, Any]) -> None:
        """Echo the host's answer, where user messages are echoed."""
        if self._replay:
            self.reply(response)

    def ask(self, request_id: str, request: Mapping[str, Any]) -> None:
        """Send a control request."""
        self.raw(json.dumps({"type": "control_request", "request_id": request_id, "request": request}) + "\n")
