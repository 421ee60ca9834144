"""The inbox on standard input: messages, each run at most once, interruptions, and answers to questions."""

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from .faults import Faults
from .output import Output
from .transcript import Transcript


class Interrupted(Exception):  # noqa: N818  an outcome, not an error
    """The user ended the turn; the text is the reason as the result event has it."""


class Message(NamedTuple):
    """A message of the user: the nth that this process has read, with the others that waited and were joined to it.

    One that wakes is claude's own: background work has ended.
    """

    number: int
    id: str
    content: Any
    others: tuple["Message", ...] = ()
    wakes: bool = False

    @property
    def all(self) -> tuple["Message", ...]:
        """The messages that it is made of, in order."""
        return (*self.others, self)

    @property
    def text(self) -> str:
        """Its text, also where it came as a list of blocks."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(block.get("text", "") for block in self.content)

    @property
    def message(self) -> dict[str, Any]:
        """The message as it came."""
        return {"role": "user", "content": self.content}


def _joined(messages: list[Message]) -> Message:
    *others, last = messages
    if not others:
        return last
    return last._replace(content="\n".join(each.text for each in messages), others=tuple(others))


class Inbox:
    """The queue between the reading thread and the worker.

    Args:
        output: for receipts.
        transcript: knows the messages to earlier processes.
        faults: the faults to commit.
        interrupted: set when the user ends the turn.

    Attributes:
        on_interrupt: ends what the worker is doing.
    """

    def __init__(
        self,
        *,
        output: Output,
        transcript: Transcript,
        faults: Faults,
        interrupted: threading.Event,
    ) -> None:
        self._output = output
        self._transcript = transcript
        self._faults = faults
        self.on_interrupt: Callable[[], None] = lambda: None
        self._known = transcript.known_ids()
        self._unanswered = transcript.unanswered_id()
        self._taken: set[str] = set()
        self._alone: Message | None = None
        self._queue: deque[Message] = deque()
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._changed = threading.Condition()
        self._read = 0
        self._working = False
        self._ended = False
        self.interrupted = interrupted
        self.reading = threading.Event()
        self.reading.set()

    # The worker's side.

    def take(self) -> Message | None:
        """Wait for the next message; return None when no more will come.

        Messages that came during a turn, and that no tool had taken in, are joined to one. The end of background work
        begins a turn of its own.
        """
        with self._changed:
            self._working = False
            if not self._queue:
                self._output.state("idle")
            self._changed.wait_for(lambda: self._queue or self._ended)
            if not self._queue:
                return None
            self._working = True
            self.interrupted.clear()
            first = self._pop()
            if first is self._alone or first.text.startswith("/") or first.wakes:
                return first
            return _joined([first, *self._pop_waiting(wakes=False)])

    def absorb(self) -> list[Message]:
        """Return the messages that came while a tool ran; a command of claude's own stays for a turn of its own."""
        with self._changed:
            return list(self._pop_waiting())

    def wake(self, text: str) -> None:
        """Begin a turn that nobody has asked for; during a turn it waits for a tool's end, like a message."""
        with self._changed:
            self._output.state("running")
            self._queue.append(Message(0, "", text, wakes=True))
            self._changed.notify_all()

    def answer(self, request_id: str) -> Mapping[str, Any] | None:
        """Wait for the host's answer to a control request; return None after an interruption or the end of input."""
        with self._changed:
            over = lambda: request_id in self._answers or self._ended or self.interrupted.is_set()  # noqa: E731  one wait
            self._changed.wait_for(over)
            return self._answers.pop(request_id, None)

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Interrupted: the user ended the turn meanwhile.
        """
        if self.interrupted.wait(seconds):
            raise Interrupted("aborted_streaming")

    def _pop_waiting(self, *, wakes: bool = True) -> Iterator[Message]:
        while self._queue and not self._queue[0].text.startswith("/") and (wakes or not self._queue[0].wakes):
            yield self._pop()

    def _pop(self) -> Message:
        message = self._queue.popleft()
        self._taken.add(message.id)
        return message

    # The reader's side.

    def read(self) -> None:
        """Read until the end; a line that is no JSON ends the program, as it does the real one."""
        for line in sys.stdin.buffer:
            try:
                self._dispatch(json.loads(line))
            except ValueError as error:
                sys.stderr.write(f"Error parsing streaming input line: {error}\n")
                sys.stderr.flush()
                os._exit(1)
            self.reading.wait()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _dispatch(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        if kind == "user":
            self._offer(Message(self._read + 1, str(event.get("uuid") or ""), event["message"]["content"]))
        elif kind == "control_request" and event["request"].get("subtype") == "interrupt":
            self._interrupt(str(event["request_id"]))
        elif kind == "control_response":
            self._tell(event["response"])

    def _offer(self, message: Message) -> None:
        self._read = message.number
        if self._faults.due("crash_before_receipt", message.number):
            self._faults.die()
        if self._faults.due("stop_reading", message.number):
            self.reading.clear()
        if not self._faults.due("lose_message", message.number):
            self._accept(message)

    def _accept(self, message: Message) -> None:
        with self._changed:
            if message.id in {waiting.id for waiting in self._queue if waiting.id}:
                return
            if message.id in self._taken:
                self._output.replay(message.id, message.message, fresh=False)
            elif message.id in self._known and not self._runs_again(message):
                self._output.replay(message.id, message.message, fresh=False)
                self._output.lifecycle(message.id, "completed")
            else:
                self._enqueue(message)

    def _runs_again(self, message: Message) -> bool:
        return message.number == 1 and message.id == self._unanswered

    def _enqueue(self, message: Message) -> None:
        self._output.state("running")
        self._output.lifecycle(message.id, "queued")
        self._transcript.add("queue-operation", operation="enqueue", content=message.content)
        if not self._working and not self._queue:
            self._alone = message  # its turn begins at once
        self._queue.append(message)
        self._changed.notify_all()

    def _interrupt(self, request_id: str) -> None:
        with self._changed:
            queued = [message.id for message in self._queue if message.id]
            response = {"subtype": "success", "request_id": request_id, "response": {"still_queued": queued}}
            self._output.reply(response)
            if self._working:
                self.interrupted.set()
                self.on_interrupt()
                self._changed.notify_all()

    def _tell(self, response: Mapping[str, Any]) -> None:
        with self._changed:
            self._output.echo_reply(response)
            self._answers[str(response["request_id"])] = response.get("response", {})
            self._changed.notify_all()
