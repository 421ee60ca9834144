"""Valid inputs of every kind, as a base for mutations. Each call makes another one."""

import random
from typing import Any, TypeVar
from uuid import UUID

Json = dict[str, Any]
T = TypeVar("T")
AGENTS = ("coder", "tester", "architect-agent", "a", "B.2")
WINDOW = 60
"""Number of subtasks that events are about at a time, before the story continues with new ones."""
WORDS = (
    "A summary.",
    "Two\nlines",
    "It works; see schema.sql.",
    "ünïcode 😀",
    "",
    "TASK_COMPLETE",
    "x" * 400,
)


class Story:
    """The story of a project: matching inputs from its backend, its agents and their claudes.

    Args:
        source: The random generator.

    Attributes:
        uuids: The uuids of messages that are in a session.
    """

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._seq = 0
        self.uuids: list[str] = []

    def _pick(self, *choices: T) -> T:
        return self._random.choice(choices)

    def _chance(self, part: float) -> bool:
        return self._random.random() < part

    def _words(self) -> str:
        return str(self._random.choice(WORDS))

    def _number(self) -> int:
        return self._seq // 20 + self._random.randrange(WINDOW)

    def subtask(self) -> str:
        """Return a subtask's id."""
        return f"S{self._number()}"

    def agent(self) -> str:
        """Return an agent's name."""
        return str(self._random.choice(AGENTS))

    def uuid(self) -> str:
        """Return a message's uuid, often of an existing one."""
        if self.uuids and self._chance(0.7):
            return self._random.choice(self.uuids)
        return str(UUID(int=self._random.getrandbits(128), version=4))

    # ------------------------------------------------------------ the backend's messages

    def message(self) -> Json:
        """Return a message on the socket, of any kind."""
        self._seq += 1
        if self._chance(0.12):
            return self._control()
        kind, fields = self._event()
        if self._chance(0.2):
            return {"event": kind, **fields, "seq": self._seq}
        event = {
            "id": f"e-{self._seq}",
            "event_type": kind,
            "payload": fields,
            "timestamp": "2026-11-23T06:09:28Z",
        }
        return event | self._pick({"seq": self._seq}, {"seq": self._seq}, {}, {"version": "2.0"})

    def _control(self) -> Json:
        return self._pick(
            {"type": "welcome", "instance": self._pick("one", "two"), "last_seq": self._seq, "acks": True},
            {"type": "subscribed", "since": 3, "last_seq": self._seq, "live": False},
            {"type": "live", "seq": self._seq},
            {"type": "ack", "id": self.uuid(), "seq": self._seq},
            {"type": "nack", "id": self.uuid(), "code": "not_found", "error": self._words()},
            {"type": "pong"},
            {"type": "error", "error": self._words()},
        )  # fmt: skip

    def _event(self) -> tuple[str, Json]:
        entity = self._pick("subtask", "subtask", "subtask", "task")
        kind = self._pick(
            "created", "created", "updated", "completed", "completed", "deleted", "blocked", "message"
        )
        match kind:
            case "created" | "updated":
                return f"{entity}.{kind}", self._described()
            case "completed":
                done = {"id": self.subtask(), **self._completion(), "completed_by": self.agent()}
                return f"{entity}.completed", done
            case "deleted":
                return f"{entity}.deleted", {"id": self.subtask(), "task_id": "T1"}
            case "blocked":
                blocked = {"agent": self.agent(), "subtask_id": self.subtask(), "reason": self._words()}
                return "agent.blocked", blocked
        return "agent.message", {"agent": self.agent(), "from": self.agent(), "message": self._words()}

    def _described(self) -> Json:
        number = self._number()
        before = range(max(0, number - WINDOW), number)
        return {
            "id": f"S{number}",
            "task_id": "T1",
            "title": f"Title {number}",
            "details": self._words(),
            "assignees": [f"@{self.agent()}", self.agent()][: self._random.randrange(3)],
            "dependencies": [f"S{each}" for each in self._random.sample(before, min(len(before), 2))],
            "status": self._pick("todo", "todo", "in_progress", "blocked", "done", "cancelled"),
        }

    def _completion(self) -> Json:
        return {
            "completion_summary": self._words(),
            "insights_found": ["Use UUIDs", self._words()],
            "files_modified": ["src/a.py"],
        }

    # ------------------------------------------------------------ what agents write

    def result(self) -> Json:
        """Return the content of a result file."""
        if self._chance(0.7):
            return {"status": "success", **self._completion()}
        return {"status": self._pick("blocked", "failed", "?"), "reason": self._words()}

    def line(self) -> Json:
        """Return a line of claude's stream."""
        state = self._pick("queued", "started", "completed", "cancelled")
        return self._pick(
            {"type": "command_lifecycle", "command_uuid": self.uuid(), "state": state},
            {"type": "command_lifecycle", "command_uuid": self.uuid(), "state": "completed"},
            {"type": "user", "uuid": self.uuid(), "isReplay": True, "message": {"role": "user", "content": "x"}},
            {"type": "system", "subtype": "init", "mcp_servers": [{"name": "coordinator", "status": "failed"}]},
            {"type": "system", "subtype": "api_retry", "attempt": 2, "retry_delay_ms": 1500.5, "error_status": 429,
             "error": "rate_limit"},
            {"type": "assistant", "message": {"content": [{"type": "text", "text": self._words()}]}},
            {"type": "result", "subtype": "success", "is_error": False, "result": self._words(),
             "total_cost_usd": 0.25, "permission_denials": [{"tool_name": "Bash", "tool_input": {}}]},
            {"type": "result", "is_error": True, "result": self._words(), "terminal_reason": "api_error",
             "api_error_status": 529, "errors": ["x"]},
        )  # fmt: skip

    def spoken(self) -> Json:
        """Return a line of a transcript."""
        return self._pick(
            {"type": "user", "uuid": self.uuid(), "message": {"role": "user", "content": self._words()}},
            {"type": "attachment", "attachment": {"type": "queued_command", "source_uuid": self.uuid(), "prompt": "x"}},
            {"type": "assistant", "isApiErrorMessage": False, "message": {"role": "assistant", "content": [
                {"type": "text", "text": self._words()}, {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}},
            ]}},
            {"type": "system", "content": self._words()},
        )  # fmt: skip

    def call(self) -> Json:
        """Return a call of one of the agents' tools."""
        arguments: Json = self._pick(
            {"name": "complete_subtask", "arguments": {**self._completion(), "subtask_id": self.subtask()}},
            {"name": "complete_subtask", "arguments": self._completion()},
            {"name": "report_blocked", "arguments": {"reason": self._words(), "subtask_id": self.subtask()}},
            {"name": "send_message", "arguments": {"agent": f"@{self.agent()}", "message": self._words()}},
            {"name": "share_knowledge", "arguments": {"topic": "test database", "text": self._words()}},
            {"name": "my_subtask", "arguments": {}},
        )
        return arguments

    def publication(self) -> Json:
        """Return an event for the embedded backend."""
        kind, payload = self._pick(
            ("subtask.completed", {"id": f"P{self._random.randrange(30)}", **self._completion()}),
            (
                "subtask.updated",
                {"id": f"P{self._random.randrange(30)}", **self._described(), "dependencies": ["P1"]},
            ),
            ("task.completed", {"id": "T1", "completion_summary": "all"}),
            ("agent.blocked", {"agent": self.agent(), "reason": self._words(), "subtask_id": "P2"}),
            ("agent.message", {"agent": self.agent(), "from": self.agent(), "message": self._words()}),
        )
        return {"id": self.uuid(), "event_type": kind, "payload": payload}


PROMPT = b"""---
name: coder
description: "Writes code: well"
model: opus
tools: Read, Bash(git log:*, git diff:*)
disallowedTools: [WebFetch]
permissionMode: plan
extra_args: --max-turns 5
strict_mcp: true
color: blue
---
You write code.
"""
PLAN = b"""title: Build it
details: |
  All of it.
subtasks:
  - title: Design
    agent: "@architect-agent"
    key: d
  - {title: Implement, agent: coder, depends_on: [d], details: "with tests"}
  - title: Test
    agent: tester
    depends_on:
      - Implement
"""
YAML_TOKENS = (
    b"&a [*a, *a]", b"*unknown", b"!!python/object:os.system x", b"!!binary aGk=", b"? [a, b]\n: c", b"<<: *a",
    b"\t- x",
    b"--- \n", b"---\n---\n", b"%YAML 9.9", b"2026-11-23", b"yes", b"0o777", b"[" * 400, b"{a: " * 100, b"- " * 400,
    b"\x07", b"\xef\xbb\xbf", b"\xff\xfe", b"|\n", b">-\n", b"!", b"@", b"key: key: key", b"\xe2\x80\xa8", b"~", b"''",
    b"extra_args: --resume", b"extra_args: 'a", b"model: -x", b"tools: ''", b"strict_mcp: perhaps",
)  # fmt: skip
