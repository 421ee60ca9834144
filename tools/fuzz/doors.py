"""The coordinator's entry points. Each class creates inputs for one, and feeds them in."""

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

from pydantic import ValidationError

from actors.connection.dialects.parsed import Ack, AnyControl, Live, Nack, Parsed, Subscribed, Welcome
from actors.connection.dialects.registry import Translator
from actors.connection.frames import FrameDecoder, Item, OversizedMessage, ProtocolError, WholeMessage
from actors.gateway.arguments import explain
from actors.gateway.tools import TOOLS
from actors.protocol.backend import (
    BackendOpened,
    EventReceived,
    InputRejected,
    PublicationConfirmed,
    PublicationRefused,
    ReplayChanged,
)
from actors.protocol.deliveries import DeliveryStep
from actors.protocol.reports import Answer, Reply, ReportBlocked, ReportCompletion
from actors.protocol.sessions import Progressed, TurnEnded
from actors.session.drive import Fact, MessageMoved, TurnOver
from actors.session.drives.stream.parse import StreamParser
from actors.session.drives.stream.transcript import read_transcript
from actors.workdir.results import ResultFile, ResultProblem, read_result
from tools.fuzz.mutate import Mutator
from tools.fuzz.rig import RouterRig
from tools.fuzz.rules import BrokenError, check_text
from tools.fuzz.samples import Story

MAX_MESSAGE = 8192
"""The longest message that the socket accepts, in bytes; short, so that many are longer."""
KEPT = 4096
SHORT = 125
"""The longest frame whose length fits into its second byte."""
LONGEST_PROBLEMS = 10_000
"""The longest explanation of a fault in an input, in characters."""


class Round:
    """The objects that the entry points of one round share.

    Args:
        directory: An empty directory.
        source: The random generator.
    """

    def __init__(self, directory: Path, source: random.Random) -> None:
        self.directory = directory
        self.random = source
        self.mutator = Mutator(source)
        self.story = Story(source)
        self.rig = RouterRig(directory, source)


class EntryPoint(ABC):
    """An entry point, that is, one kind of input.

    Attributes:
        name: The name of its inputs.
        weight: Its share of the inputs in percent.
    """

    name: ClassVar[str]
    weight: ClassVar[int]

    def __init__(self, the_round: Round) -> None:
        self.round = the_round
        self.mutator = the_round.mutator
        self.story = the_round.story
        self.rig = the_round.rig

    @abstractmethod
    def make(self) -> bytes:
        """Create an input, valid or not."""

    @abstractmethod
    def take(self, raw: bytes) -> bool:
        """Feed an input in, as the product does, and tell whether it was accepted.

        Raises:
            Exception: The product failed.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Release its resources."""

    def varied(self, sample: Callable[[], Any]) -> bytes:
        """Return a sample unchanged, with wrong values, with wrong bytes, or replaced by noise."""
        match self.mutator.random.choices(("as it is", "values", "bytes", "noise"), (4, 9, 6, 1))[0]:
            case "as it is":
                return self.mutator.dump(sample())
            case "values":
                return self.mutator.dump(self.mutator.structure(sample()))
            case "bytes":
                return self.mutator.spoil(self.mutator.dump(sample()), self.mutator.dump(sample()))
        return self.mutator.noise()


# ---------------------------------------------------------------- the socket


class Socket(EntryPoint):
    """The backend's bytes: frames, messages and events, with their effects in the router."""

    name, weight = "frames", 42

    def __init__(self, the_round: Round) -> None:
        super().__init__(the_round)
        self._translator = Translator()

    def make(self) -> bytes:
        """Create a message in one or more frames, sometimes with control frames, another message or wrong bytes."""
        chance = self.mutator.random
        raw = b"".join(
            self._framed(self.varied(self.story.message)) for _ in range(chance.choice((1, 1, 1, 2)))
        )
        return self.mutator.spoil(raw, self._framed(b"{}")) if self.mutator.chance(0.15) else raw

    def _framed(self, message: bytes) -> bytes:
        chance = self.mutator.random
        if self.mutator.chance(0.8) or not message:
            return frame(message)
        place = chance.randrange(len(message))
        between = chance.choice((b"", frame(b"ping", 9), frame(b"\x03\xe8gone", 8), frame(b"pong", 10)))
        return frame(message[:place], final=False) + between + frame(message[place:], 0)

    def take(self, raw: bytes) -> bool:
        """Read the frames, whole and in pieces, and handle the messages."""
        items = decode([raw])
        pieces = decode(cut(raw, random.Random(crc32(raw))))  # noqa: S311 - only to be cut alike again
        if items[0] is None and pieces != items:
            raise BrokenError("the frames read otherwise in other pieces")
        useful = False
        for item in pieces[1]:
            if isinstance(item, OversizedMessage):
                self.rig.tell(
                    InputRejected(origin="socket", reason="too long", raw=item.head, size=item.size)
                )
            elif isinstance(item, WholeMessage):
                useful = self._message(item.data) or useful
        return useful

    def _message(self, data: bytes) -> bool:
        parsed = self._translator.read(data)
        check_problems(parsed)
        if parsed.problems:
            reason = "; ".join(parsed.problems)
            self.rig.tell(InputRejected(origin="socket", reason=reason, raw=data[:KEPT], size=len(data)))
        if parsed.event is not None:
            self.rig.tell(EventReceived(event=parsed.event))
        else:
            self._control(parsed.control)
        return parsed.event is not None or parsed.control is not None

    def _control(self, control: AnyControl | None) -> None:
        match control:
            case Welcome():
                self.rig.tell(BackendOpened(instance=control.instance, acks=control.acks))
            case Ack():
                self.rig.tell(PublicationConfirmed(key=control.id))
            case Nack():
                self.rig.tell(PublicationRefused(key=control.id, reason=f"{control.code}: {control.error}"))
            case Subscribed(live=False):
                self.rig.tell(ReplayChanged(running=True))
            case Live():
                self.rig.tell(ReplayChanged(running=False))


def frame(data: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    """Return one frame as a server sends it."""
    head = bytes([final << 7 | opcode])
    if len(data) < 126:  # noqa: PLR2004 - RFC 6455
        return head + bytes([len(data)]) + data
    if len(data) < 1 << 16:
        return head + b"\x7e" + len(data).to_bytes(2) + data
    return head + b"\x7f" + len(data).to_bytes(8) + data


def cut(raw: bytes, source: random.Random) -> Iterable[bytes]:
    """Cut the bytes into a few pieces."""
    places = sorted(source.randrange(len(raw) + 1) for _ in range(source.choice((0, 1, 3, 8))))
    return [raw[begin:end] for begin, end in zip([0, *places], [*places, len(raw)], strict=True)]


def decode(pieces: Iterable[bytes]) -> tuple[str | None, list[Item]]:
    """Return the items before the first fault, and the fault.

    Raises:
        BrokenError: The decoder buffers more than one message.
    """
    decoder = FrameDecoder(MAX_MESSAGE)
    items: list[Item] = []
    for piece in pieces:
        try:
            items += decoder.feed(piece)
        except ProtocolError as error:
            return str(error), items
        held = len(decoder._buffer) + len(decoder._parts or b"")  # noqa: SLF001 - that it is bounded can't be seen outside
        if held > 2 * MAX_MESSAGE + 14:
            raise BrokenError(f"{held} bytes are held of messages of at most {MAX_MESSAGE}")
    return None, items


def check_problems(parsed: Parsed) -> None:
    """Check that the explanations of faults are bounded, and that none is an internal error.

    Raises:
        BrokenError: The parser raised, or an explanation is too long.
    """
    if any("it could not be read" in problem for problem in parsed.problems):
        raise BrokenError(f"the parser raised: {parsed.problems}")
    check_reason("; ".join(parsed.problems))


def check_reason(reason: str) -> None:
    """Check that an explanation is bounded.

    Raises:
        BrokenError: It isn't.
    """
    if len(reason) > LONGEST_PROBLEMS:
        raise BrokenError(f"an explanation of {len(reason)} characters")


# ---------------------------------------------------------------- agents


class Results(EntryPoint):
    """The agents' result files."""

    name, weight = "result files", 12

    def make(self) -> bytes:
        """Create a file's content."""
        return self.varied(self.story.result)

    def take(self, raw: bytes) -> bool:
        """Write a subtask's result file, read it, and tell the router."""
        subtask = f"S{crc32(raw) % 200}"
        path = self.round.directory / f"task_result_{subtask}.json"
        path.write_bytes(raw)
        found = read_result(path)
        if found is None:
            raise BrokenError("the file is there and was not found")
        self.rig.tell(as_report(found))
        return isinstance(found, ResultFile)


def as_report(found: ResultFile | ResultProblem) -> ReportCompletion | ReportBlocked | InputRejected:
    """Return the report to the router."""
    if isinstance(found, ResultProblem):
        check_reason(found.reason)
        return InputRejected(origin="file", reason=found.reason, raw=found.head, size=len(found.head))
    check_reason("; ".join(found.problems))
    subtask, outcome = found.subtask_id, found.outcome
    if isinstance(outcome, str):
        return ReportBlocked(agent=None, way="file", reason=outcome, subtask_id=subtask)
    return ReportCompletion(agent=None, way="file", completion=outcome, subtask_id=subtask)


class Stream(EntryPoint):
    """Lines of claude's output stream."""

    name, weight = "stream lines", 16

    def make(self) -> bytes:
        """Create a line; some are about messages that the session has."""
        self.story.uuids = self.rig.outstanding[:50] + self.rig.keys
        return self.varied(self.story.line)

    def take(self, raw: bytes) -> bool:
        """Read a line, and tell the router what a session would tell it."""
        facts = StreamParser().parse(raw)
        for fact in facts:
            self._tell(fact)
        return bool(facts)

    def _tell(self, fact: Fact) -> None:
        match fact:
            case MessageMoved(uuid=uuid, state=state, receipt=receipt):
                step = DeliveryStep(delivery_id=uuid, state=state, receipt=receipt)
                self.rig.tell(Progressed(agent=self.rig.whose(uuid), steps=(step,)))
            case TurnOver():
                ended = TurnEnded(
                    agent="coder",
                    text=fact.text,
                    error=fact.error,
                    denied=fact.denied,
                    cost_usd=fact.cost_usd,
                )
                self.rig.tell(ended)


class Transcripts(EntryPoint):
    """Transcripts of conversations."""

    name, weight = "transcripts", 10

    def make(self) -> bytes:
        """Create a few lines; the last may be incomplete."""
        lines = [self.varied(self.story.spoken) for _ in range(self.mutator.random.randrange(4))]
        return b"\n".join(lines) + self.mutator.random.choice((b"\n", b"", b"\r\n", b"\n{"))

    def take(self, raw: bytes) -> bool:
        """Write a transcript file, and read it."""
        path = self.round.directory / "transcript.jsonl"
        path.write_bytes(raw)
        conversation = read_transcript(path)
        if not all(isinstance(each, str) for each in (*conversation.arrived, conversation.last_text)):
            raise BrokenError(f"no texts: {conversation}")
        return bool(conversation.arrived or conversation.last_text)


class Calls(EntryPoint):
    """Calls of the agents' tools."""

    name, weight = "tool calls", 12

    def make(self) -> bytes:
        """Create a call as JSON."""
        return self.varied(self.story.call)

    def take(self, raw: bytes) -> bool:
        """Validate the arguments, and let the router answer."""
        try:
            call = json.loads(raw)
        except (ValueError, RecursionError):
            return False  # such a request never reaches a tool
        name, arguments = (
            (call.get(each) for each in ("name", "arguments")) if isinstance(call, dict) else (None, None)
        )
        tool = TOOLS.get(name) if isinstance(name, str) else None
        if tool is None or not isinstance(arguments, dict):
            return False
        try:
            read = tool.model_validate(arguments)
        except ValidationError as error:
            check_text(explain(error))
            return False
        reply: Reply = Reply()
        self.rig.tell(read.report("coder", reply))
        self.rig.commit()
        check_answer(reply.result(timeout=0))
        return True


def check_answer(answer: Answer) -> None:
    """Check that an answer can be sent, and that others' text in it is quoted.

    Raises:
        BrokenError: They aren't.
    """
    check_text(answer.text)
    json.dumps(answer.data, ensure_ascii=False).encode()
