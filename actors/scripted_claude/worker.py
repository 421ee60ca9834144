"""The worker: answers messages, one turn at a time."""

import itertools
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .account import Account
from .faults import Faults
from .inbox import Inbox, Interrupted, Message
from .mishaps import Mishaps, error_name
from .options import VERSION, Options
from .output import Output
from .play import INTERRUPTED, Fault, Say, Sleep, Step, Tool
from .tools import Tools
from .transcript import SYNTHETIC, Transcript
from .uses import Uses

COMMANDS = frozenset(
    {"clear", "compact", "config", "context", "cost", "help", "init", "mcp", "model", "usage"}
)
"""Commands of claude's own: they are carried out without the model."""
_PACE = "SCRIPTED_CLAUDE_PACE"


class Worker:
    """Answers the messages of the inbox.

    Args:
        options: the command line.
        inbox: where messages come from.
        output: where events go.
        transcript: the session's file.
        tools: the tools.
        faults: the faults to commit.
    """

    def __init__(
        self,
        *,
        options: Options,
        inbox: Inbox,
        output: Output,
        transcript: Transcript,
        tools: Tools,
        faults: Faults,
    ) -> None:
        self._options = options
        self._inbox = inbox
        self._output = output
        self._transcript = transcript
        self._tools = tools
        self._mishaps = Mishaps(faults, inbox, output)
        self._plan = transcript.plan()
        self._account = Account(options.model)
        self._uses = Uses(options, inbox, output, transcript, tools, self._account)
        self._pace = float(os.environ.get(_PACE, "0.05"))
        self._ids = itertools.count(1)
        self._absorbed: list[Message] = []
        self._replayed = False
        self._failed = False
        self._fresh = True

    def run(self) -> int:
        """Work until no more messages come.

        Returns:
            The exit code: 1 if the last turn failed.
        """
        self._tools.connect()
        while message := self._inbox.take():
            for other in message.others:
                self._output.replay(other.id, other.message, fresh=False)
            for each in message.all:
                self._output.lifecycle(each.id, "started")
                self._transcript.add("queue-operation", operation="dequeue")
            self._account.begin([each.id for each in message.all])
            self._output.state("running")
            command = message.text[1:].split(maxsplit=1)[:1] if message.text.startswith("/") else []
            state = self._command(command[0]) if COMMANDS.intersection(command) else self._turn(message)
            for each in message.all:
                self._output.lifecycle(each.id, state)
            self._failed = state == "cancelled"
        return int(self._failed)

    # A turn.

    def _turn(self, message: Message) -> str:
        """Answer a message; return its final state."""
        self._absorbed, self._replayed = [], message.wakes
        if refusal := self._mishaps.refusal():
            return self._refuse(message, refusal)
        self._begin(message)
        try:
            self._mishaps.before_answer(message)
            if failed := self._mishaps.failure(message):
                return self._fail(message, failed)
            self._answer(message)
        except Interrupted as reason:
            return self._stop(str(reason))
        for absorbed in self._absorbed:
            self._output.lifecycle(absorbed.id, "completed")
        self._mishaps.crash("crash_before_result", message)
        self._result(
            {
                "subtype": "success",
                "is_error": False,
                "terminal_reason": "completed",
                "stop_reason": "end_turn",
            }
        )
        return "completed"

    def _refuse(self, message: Message, refusal: Mapping[str, Any]) -> str:
        """End the turn as a hook of the user's does that stops the message; the model isn't asked."""
        self._init()
        kind = "stopped_by_hook" if refusal["kept"] else "blocked_by_hook"
        outcome = {"kind": kind, "prompt_kept": refusal["kept"], "reason": refusal["reason"]}
        self._account.said = f"Stopped by a hook: {refusal['reason']}"
        self._output.event(
            "system", subtype="informational", content=self._account.said, prompt_submit_outcome=outcome
        )
        self._transcript.add("system", content=self._account.said)
        if refusal["kept"]:
            self._transcript.user(message.id, message.content, [each.id for each in message.others])
            self._replay(message)
        self._result({"subtype": "success", "is_error": False, "stop_reason": None})
        return "completed"

    def _begin(self, message: Message) -> None:
        self._mishaps.crash("crash_before_transcript", message)
        self._init()
        if self._fresh and message.id != self._transcript.unanswered_id():
            self._transcript.close_open_end()
        self._fresh = False
        self._transcript.user(message.id, message.content, [each.id for each in message.others])
        self._note(message)
        self._mishaps.crash("crash_after_started", message)

    def _note(self, message: Message) -> None:
        """Add the steps of a message to the plan."""
        if message.wakes:
            self._plan.wake()
        else:
            self._plan.add(message.text)

    def _init(self) -> None:
        self._output.event(
            "system",
            subtype="init",
            scripted=True,
            cwd=str(Path.cwd()),
            tools=self._tools.names(),
            mcp_servers=self._tools.connect(),
            model=self._options.model,
            permissionMode=self._options.permission_mode,
            slash_commands=sorted(COMMANDS),
            claude_code_version=VERSION,
            user_message_uuids=self._account.message_ids,
            memory_paths={"auto": f"{self._transcript.path.parent}/memory/"},
        )

    def _answer(self, message: Message) -> None:
        """Answer until an answer comes without a tool; take messages that came meanwhile into the turn."""
        while True:
            self._inbox.pause(self._pace)
            tool = self._speak(message, self._plan.next_answer())
            if not tool:
                self._plan.steps.clear()
                return
            self._uses.use(*tool)
            for absorbed in self._inbox.absorb():
                self._absorb(absorbed)

    def _speak(self, message: Message, steps: list[Step]) -> tuple[str, Tool] | None:
        """Say one answer, and write it to the transcript once it is complete; return its use of a tool, if any."""
        answer_id = f"msg_scripted_{uuid.uuid4().hex[:20]}"
        blocks = []
        for step in steps:
            if isinstance(step, Sleep):
                self._inbox.pause(step.seconds)
            elif not isinstance(step, Fault):
                first = not self._replayed
                self._replay(message)
                blocks.append(self._block(step))
                self._assistant(answer_id, blocks[-1], first=first)
        self._write(answer_id, blocks, heard=len(message.text))
        last = steps[-1] if steps else None
        used = [block["id"] for block in blocks if block["type"] == "tool_use"]
        return (used[0], last) if used and isinstance(last, Tool) else None

    def _block(self, step: Say | Tool) -> dict[str, Any]:
        if isinstance(step, Tool) and step.name in self._tools.names():
            return {
                "type": "tool_use",
                "id": f"toolu_scripted_{next(self._ids):06}",
                "name": step.name,
                "input": step.input,
            }
        return {
            "type": "text",
            "text": step.text if isinstance(step, Say) else f"(no such tool: {step.name})",
        }

    def _assistant(self, answer_id: str, block: dict[str, Any], *, first: bool) -> None:
        ids = {"user_message_uuids": self._account.message_ids} if first else {}
        message = self._message(answer_id, block) | {"stop_reason": None}
        self._output.event("assistant", message=message, parent_tool_use_id=None, **ids)

    def _message(self, answer_id: str, block: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": answer_id,
            "type": "message",
            "role": "assistant",
            "model": self._options.model,
            "content": [block],
        }

    def _write(self, answer_id: str, blocks: list[dict[str, Any]], heard: int) -> None:
        usage = self._account.answered(heard, sum(len(str(block)) for block in blocks))
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        self._account.said = texts[-1] if texts else self._account.said
        for block in blocks:
            self._transcript.assistant(self._message(answer_id, block) | {"usage": usage})

    def _absorb(self, message: Message) -> None:
        self._transcript.absorbed(message.id, message.content)
        self._output.replay(message.id, message.message)
        self._output.lifecycle(message.id, "started")
        if not message.wakes:
            self._account.message_ids.append(message.id)
        self._absorbed.append(message)
        self._note(message)

    # How else a turn goes.

    def _replay(self, message: Message) -> None:
        if not self._replayed:
            self._output.replay(message.id, message.message)
            self._replayed = True

    def _fail(self, message: Message, fault: Mapping[str, Any]) -> str:
        """End the turn by an error of the API: the message stays in the history, unanswered."""
        status, text = fault.get("status", 500), str(fault.get("text", "API Error: 500 (scripted)"))
        name = fault.get("error") or error_name(status, "server_error")
        self._replay(message)
        said = self._synthetic(text) | {"stop_reason": "stop_sequence"}
        self._output.event(
            "assistant",
            message=said,
            parent_tool_use_id=None,
            is_api_error_message=True,
            error=name,
        )
        self._transcript.assistant(said, isApiErrorMessage=True, error=name)
        self._account.said = text
        error = {"terminal_reason": "api_error", "api_error_status": status, "stop_reason": "stop_sequence"}
        self._result({"subtype": "success", "is_error": True, **error})
        return "cancelled"

    def _stop(self, reason: str) -> str:
        """End the turn by the user's interruption."""
        text = INTERRUPTED + (" for tool use]" if reason == "aborted_tools" else "]")
        content = [{"type": "text", "text": text}]
        self._transcript.user("", content)
        self._output.event("user", message={"role": "user", "content": content}, parent_tool_use_id=None)
        self._plan.steps.clear()
        for absorbed in self._absorbed:
            self._output.lifecycle(absorbed.id, "cancelled")
        outcome = {
            "subtype": "error_during_execution",
            "is_error": True,
            "terminal_reason": reason,
            "stop_reason": None,
        }
        self._output.event("result", **self._account.result(outcome | {"errors": [f"[scripted] {reason}"]}))
        return "cancelled"

    def _command(self, name: str) -> str:
        """Carry out a command of claude's own, without a turn of the model."""
        said = self._synthetic(f"(simulated) /{name} was carried out.")
        self._output.event("assistant", message=said, parent_tool_use_id=None)
        self._account.said = said["content"][0]["text"]
        self._result({"subtype": "success", "is_error": False, "stop_reason": None})
        return "completed"

    def _synthetic(self, text: str) -> dict[str, Any]:
        return self._message(str(uuid.uuid4()), {"type": "text", "text": text}) | {"model": SYNTHETIC}

    def _result(self, outcome: dict[str, Any]) -> None:
        self._output.event("result", **self._account.result(outcome | {"result": self._account.said}))
