"""The transcript, at the real one's path and in its format, as far as anyone reads it."""

import json
import os
import re
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .options import VERSION
from .output import now
from .play import NOTHING_ASKED, Plan

SYNTHETIC = "<synthetic>"
LOST_RESULT = "[Tool call interrupted: the session ended before this call's result was recorded.]"


def path_of(session: str, cwd: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a session's transcript."""
    home = environment.get("HOME", str(Path.home()))
    config = Path(environment.get("CLAUDE_CONFIG_DIR") or Path(home) / ".claude")
    return config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(cwd)) / f"{session}.jsonl"


class Transcript:
    """The file of a session, and its lines when the process began.

    It is created with the first user message: a session that dies before has never existed.
    """

    def __init__(self, path: Path, session: str) -> None:
        self.path = path
        self._session = session
        self._held: list[str] = []
        self._lock = threading.Lock()
        self.lines = _read(path)

    @property
    def exists(self) -> bool:
        """True where there is a conversation to resume."""
        return self.path.exists()

    def add(self, kind: str, **fields: object) -> None:
        """Write a line at once; before the first message lines are kept back."""
        line = {"type": kind, **fields, "sessionId": self._session, "timestamp": now(), "version": VERSION}
        with self._lock:
            self._held.append(json.dumps(line, ensure_ascii=False) + "\n")
            if kind in ("user", "system") or self.exists:
                self._flush()

    def _flush(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(self._held))
        self._held.clear()

    def user(self, message_id: str, content: object, others: Sequence[str] = ()) -> None:
        """Write a user's message, with the ids of others that were joined to it, or the result of a tool."""
        merged = {"mergedSendUuids": others} if others else {}
        message = {"role": "user", "content": content}
        self.add("user", uuid=message_id or str(uuid.uuid4()), message=message, **merged)

    def assistant(self, message: Mapping[str, Any], **fields: object) -> None:
        """Write one block of an answer."""
        self.add("assistant", uuid=str(uuid.uuid4()), message=message, **fields)

    def absorbed(self, message_id: str, content: object) -> None:
        """Write a message that came during a turn: it gets no user line, a hazard of the real one."""
        self.add("queue-operation", operation="remove", content=content, reason="absorbed_mid_turn")
        command = {
            "type": "queued_command",
            "prompt": content,
            "source_uuid": message_id,
            "commandMode": "prompt",
        }
        self.add("attachment", uuid=str(uuid.uuid4()), attachment=command)

    def close_open_end(self) -> None:
        """Write what the real one writes when it resumes, before its first new message."""
        last = self._conversation()[-1:]
        for call in _tool_calls(last):
            result = {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": LOST_RESULT,
                "is_error": True,
            }
            self.user("", [result])
        if last:
            content = [{"type": "text", "text": NOTHING_ASKED}]
            self.assistant(
                {"role": "assistant", "id": str(uuid.uuid4()), "model": SYNTHETIC, "content": content}
            )

    def known_ids(self) -> set[str]:
        """Return the ids of messages that a resumed session acknowledges without running them."""
        return {line["uuid"] for line in self._conversation() if line["type"] == "user"}

    def unanswered_id(self) -> str:
        """Return the id of a last message without an answer, or "": it runs again if it comes first."""
        last = self._conversation()[-1:]
        return str(last[0]["uuid"]) if last and last[0]["type"] == "user" and not _results(last[0]) else ""

    def plan(self) -> Plan:
        """Return the steps that remain of an interrupted turn."""
        return Plan.of_history(_messages(self.lines))

    def _conversation(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("type") in ("user", "assistant", "attachment")]


def _read(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a transcript; the last may have been cut off by a crash."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def _results(line: Mapping[str, Any]) -> bool:
    content = line["message"]["content"]
    return isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)


def _tool_calls(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    assistants = [line for line in lines if line["type"] == "assistant"]
    return [
        block
        for line in assistants
        for block in line["message"]["content"]
        if block.get("type") == "tool_use"
    ]


def _messages(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the conversation as the API gets it: one message for each answer, not for each block."""
    messages: list[dict[str, Any]] = []
    for line in lines:
        if line.get("type") == "attachment":
            messages.append({"role": "user", "content": str(line["attachment"].get("prompt", ""))})
        elif line.get("type") == "user":
            messages.append(dict(line["message"]))
        elif line.get("type") == "assistant" and line["message"].get("model") != SYNTHETIC:
            message = line["message"]
            if messages and messages[-1].get("id") == message["id"]:
                messages[-1]["content"] += message["content"]
            else:
                messages.append({**message, "content": list(message["content"])})
    return messages
