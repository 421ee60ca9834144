"""A harness that starts `claude` as the product does: stdin from a FIFO, stdout a raw PTY, an explicit environment."""

import json
import os
import signal
import subprocess
import threading
import time
import tty
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.claude import real_environment, scripted_environment
from tools.common.model_api import ModelApi

STREAM = (
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--replay-user-messages",
)
DEADLINE = 30.0
"""Seconds that any one wait may take."""

Event = dict[str, Any]


@dataclass
class Claude:
    """One of the two programs, a home and a work directory for it, and the API that it asks.

    Attributes:
        api: The double of the API; None for the stand-in, which needs none.
    """

    command: list[str]
    home: Path
    cwd: Path
    api: ModelApi | None
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    runs: list["Run"] = field(default_factory=list)

    @property
    def is_real(self) -> bool:
        """True for the real program."""
        return self.api is not None

    def start(self, *arguments: str, resume: bool = False, env: Mapping[str, str] | None = None) -> "Run":
        """Start it in this session."""
        session = ("--resume" if resume else "--session-id", self.session)
        run = Run(
            [*self.command, *STREAM, *session, *arguments], self.cwd, self.environment | dict(env or {})
        )
        self.runs.append(run)
        return run

    def start_failing(self, status: int | None, *, retries: int, recovers: bool) -> "Run":
        """Start it with an API that fails once (`recovers`), or for one message as often as it is asked.

        Without a status the connection breaks.
        """
        if self.api:
            if status is None:
                self.api.drop(times=1 if recovers else retries + 1, at_once=True)
            else:
                self.api.fail(status, times=1 if recovers else retries + 1)
            return self.start(env={"CLAUDE_CODE_MAX_RETRIES": str(retries)})
        faults: dict[str, Any] = {
            "api_retry": {"attempts": retries, "error_status": status, "retry_delay_ms": 50}
        }
        if not recovers:
            faults["result_error"] = {"status": status, "text": f"API Error: {status}"}
        return self.start(env={"SCRIPTED_CLAUDE_FAULTS": json.dumps(faults)})

    @property
    def environment(self) -> dict[str, str]:
        """The program's whole environment."""
        return real_environment(self.home, self.api.url) if self.api else scripted_environment(self.home)

    def transcript(self) -> list[Event]:
        """Return the lines of the session's transcript; none while there is no file."""
        files = list(self.home.glob(f".claude/projects/*/{self.session}.jsonl"))
        return (
            [json.loads(line) for line in files[0].read_text(encoding="utf-8").split("\n")[:-1]]
            if files
            else []
        )

    def known_ids(self) -> set[str]:
        """Return the ids of messages in the transcript: user lines, and messages that joined a running turn."""
        lines = self.transcript()
        users = {
            str(each)
            for line in lines
            if line.get("type") == "user"
            for each in (line["uuid"], *line.get("mergedSendUuids", ()))
        }
        return users | {
            str(line["attachment"].get("source_uuid")) for line in lines if line.get("type") == "attachment"
        }

    def wait_for_transcript(self, message_id: str) -> None:
        """Wait until the transcript has a message."""
        self.look_until(lambda: message_id in self.known_ids())

    def wait_for_transcript_line(self, predicate: Callable[[Event], bool]) -> None:
        """Wait until the transcript has such a line."""
        self.look_until(lambda: any(predicate(line) for line in self.transcript()))

    def look_until(self, predicate: Callable[[], bool]) -> None:
        """Poll until this is so: a file sends no event when it grows."""
        deadline = time.monotonic() + DEADLINE
        while not predicate():
            assert time.monotonic() < deadline, "the transcript never got there"
            time.sleep(0.01)

    def told(self, text: str) -> int:
        """Count how often a text has arrived, at the API's double or in the stand-in's transcript."""
        if self.api:
            return self.api.told(text)
        contents = [line["message"]["content"] for line in self.transcript() if line.get("type") == "user"]
        prompts = [
            line["attachment"]["prompt"] for line in self.transcript() if line.get("type") == "attachment"
        ]
        return sum(content.count(text) for content in [*contents, *prompts] if isinstance(content, str))

    def close(self) -> None:
        """End what is left of every run."""
        for run in self.runs:
            run.close()


class Run:
    """One process of the program, and the events that it wrote."""

    def __init__(self, command: list[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self.events: list[Event] = []
        self.raw: list[str] = []
        self.stderr = b""
        self._changed = threading.Condition()
        self._descendants: list[psutil.Process] = []
        self._master, slave = os.openpty()
        tty.setraw(slave)
        fifo = cwd / f"{uuid.uuid4()}.pipe"
        os.mkfifo(fifo, 0o600)
        keeper = os.open(fifo, os.O_RDWR)  # opens at once, so that neither end waits for the other
        reader = os.open(fifo, os.O_RDONLY)
        self._stdin = os.open(fifo, os.O_WRONLY)
        os.close(keeper)
        fifo.unlink()
        self.process = subprocess.Popen(
            command,
            stdin=reader,
            stdout=slave,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
        )
        os.close(reader)
        os.close(slave)
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()

    # In.

    def send(self, text: str, message_id: str = "") -> str:
        """Write a message; return its id."""
        message_id = message_id or str(uuid.uuid4())
        self.write({"type": "user", "uuid": message_id, "message": {"role": "user", "content": text}})
        return message_id

    def interrupt(self) -> None:
        """Ask for the end of the turn."""
        self.write(
            {"type": "control_request", "request_id": "interrupt", "request": {"subtype": "interrupt"}}
        )

    def write(self, event: Event) -> None:
        """Write one line."""
        self.write_raw(json.dumps(event).encode() + b"\n")

    def write_raw(self, data: bytes) -> None:
        """Write all of these bytes."""
        while data:
            data = data[os.write(self._stdin, data) :]

    def end_input(self) -> None:
        """Close standard input."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    # Out.

    def wait(self, predicate: Callable[[Event], bool], number: int = 1, timeout: float = DEADLINE) -> Event:
        """Wait for the nth event that fits."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self._fitting(predicate)) >= number, timeout)
            assert there, f"not within {timeout} s; got {self.story()}, stderr {self.stderr!r}"
            return self._fitting(predicate)[number - 1]

    def wait_state(self, message_id: str, state: str) -> None:
        """Wait for a receipt."""
        self.wait(lambda event: event.get("command_uuid") == message_id and event["state"] == state)

    def wait_result(self, number: int = 1) -> Event:
        """Wait for the nth result."""
        return self.wait(lambda event: event["type"] == "result", number)

    def wait_tool(self) -> None:
        """Wait until a tool is used."""
        self.wait(lambda event: _line(event, {}).startswith("uses "))

    def finish(self, *message_ids: str) -> list[str]:
        """Wait until the messages are completed, end the input and the program; return its story.

        In the story the messages are called A, B, … in the order given.
        """
        for message_id in message_ids:
            self.wait(partial(_is_over, message_id))
        self.end_input()
        self.wait_exit()
        return self.story(*message_ids)

    def story(self, *message_ids: str) -> list[str]:
        """Return the events, a few words each; the messages are called A, B, and so on."""
        names = {message_id: chr(ord("A") + number) for number, message_id in enumerate(message_ids)}
        return [_line(event, names) for event in self.events if not _is_progress(event)]

    def states(self, message_id: str) -> list[str]:
        """Return the receipts of one message."""
        return [event["state"] for event in self.events if event.get("command_uuid") == message_id]

    # The end.

    def kill(self) -> None:
        """Kill the program, and wait until it is gone."""
        self._descendants = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.wait_exit()

    def terminate(self) -> int:
        """Send it SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def wait_closed(self) -> None:
        """Wait until nothing more can come from the terminal."""
        self._threads[0].join(DEADLINE)
        assert not self._threads[0].is_alive()

    def wait_exit(self) -> int:
        """Wait until all output was read and the program has ended; return its exit code."""
        code = self.process.wait(DEADLINE)
        self._join()
        return code

    def close(self) -> None:
        """End the program and whatever it has left running."""
        self.end_input()
        if self.process.poll() is None:
            self.kill()
        for descendant in self._descendants:
            if descendant.is_running():
                descendant.kill()
        self._join()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive()
        assert self.process.stderr
        self.process.stderr.close()

    def _fitting(self, predicate: Callable[[Event], bool]) -> list[Event]:
        return [event for event in self.events if predicate(event)]

    def _read(self) -> None:
        rest = b""
        while chunk := self._read_chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line.decode())
        self.raw.append(rest.decode())

    def _read_chunk(self) -> bytes:
        try:
            return os.read(self._master, 1 << 16)
        except OSError:  # how a PTY says that the other end is gone
            return b""

    def _read_errors(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.stderr += line

    def _take(self, line: str) -> None:
        with self._changed:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.raw.append(line)
            self._changed.notify_all()


def _is_progress(event: Event) -> bool:
    """Return whether it only reports a slow command, which depends on the machine's speed."""
    return str(event.get("subtype", "")).startswith("task_")


def _is_over(message_id: str, event: Event) -> bool:
    return event.get("command_uuid") == message_id and event["state"] in {"completed", "cancelled"}


def _line(event: Event, names: Mapping[str, str]) -> str:
    """Return an event in a few words."""
    teller = _TELLERS.get(str(event.get("type")))
    return teller(event, names) if teller else str(event.get("type"))


def _name(message_id: str, names: Mapping[str, str]) -> str:
    return names.get(message_id, "?")


def _tell_lifecycle(event: Event, names: Mapping[str, str]) -> str:
    return f"{_name(event['command_uuid'], names)} {event['state']}"


def _tell_system(event: Event, names: Mapping[str, str]) -> str:
    if event["subtype"] == "init":
        return "init " + "".join(
            _name(message_id, names) for message_id in event.get("user_message_uuids", [])
        )
    details = {"api_retry": "error_status", "permission_denied": "tool_name"}
    return f"{event['subtype']} {event.get(details.get(event['subtype'], ''), '')}".strip()


def _tell_user(event: Event, names: Mapping[str, str]) -> str:
    if event.get("isReplay"):
        # One that had been taken before is said back without a time.
        return ("replay " if "timestamp" in event else "echo ") + _name(event["uuid"], names)
    (block,) = event["message"]["content"]
    if block["type"] == "tool_result":
        return "tool failed" if block.get("is_error") else "tool done"
    return str(block["text"])


def _tell_assistant(event: Event, _: Mapping[str, str]) -> str:
    (block,) = event["message"]["content"]
    return f"uses {block['name']}" if block["type"] == "tool_use" else f"says {block['text']}"


def _tell_result(event: Event, names: Mapping[str, str]) -> str:
    about = "".join(_name(message_id, names) for message_id in event.get("user_message_uuids", []))
    return f"result {about} {event.get('terminal_reason', 'local')}"


_TELLERS: dict[str, Callable[[Event, Mapping[str, str]], str]] = {
    "command_lifecycle": _tell_lifecycle,
    "system": _tell_system,
    "user": _tell_user,
    "assistant": _tell_assistant,
    "result": _tell_result,
}
