"""The drive of Claude in stream mode: ``claude -p`` with stream-json, its output in a PTY, its input a named pipe.

The id of a message is the uuid under which Claude reads it, and Claude's life-cycle events are the receipts.
"""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import structlog

from actors.agents.prompt import AgentPrompt, PromptError
from actors.lib.children import descendants
from actors.lib.deadlines import CLAUDE as STOP_SECONDS
from actors.lib.descriptors import PLACES
from actors.lib.failpoints import failpoint
from actors.lib.files import write_atomically
from actors.lib.leftovers import ORPHAN_SECONDS, reap
from actors.protocol.deliveries import DeliveryState
from actors.session.clock import Clock
from actors.session.drive import EPOCHS, Exited, FromDrive, Owner, Past, ReceiptState, StreamRead, Written
from actors.session.drives.stream.command import command_line
from actors.session.drives.stream.lock import SessionLock
from actors.session.drives.stream.parse import StreamParser, interrupt_request, user_message
from actors.session.drives.stream.place import TranscriptPlace
from actors.session.drives.stream.process import ClaudeProcess
from actors.session.drives.stream.transcript import read_transcript
from actors.session.settings import SessionSettings

log = structlog.get_logger(__name__)

ROOM = 1000
"""The number of batches of output that may wait for the owner before reading pauses."""
CONTROL = ""
"""The tag of control requests in the pipe: no ``Written`` is told for it."""
TELLING = {"CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1"}
"""Has claude say itself whether a turn is running."""


class StreamDrive:
    """The drive of an agent's claude in stream mode; see ``Drive`` for its contract.

    Args:
        agent: The agent's name.
        settings: The settings that all sessions share.
        owner: The session.
        clock: Gives the time at which claude was last heard.
    """

    idempotent_by_id: ClassVar[bool] = True
    takes_input_mid_turn: ClassVar[bool] = True
    receipts: ClassVar[frozenset[ReceiptState]] = frozenset(
        {DeliveryState.ACCEPTED, DeliveryState.STARTED, DeliveryState.COMPLETED}
    )

    def __init__(self, agent: str, settings: SessionSettings, owner: Owner, clock: Clock, /) -> None:
        self.epoch = 0
        self.is_resumed = False
        self._agent = agent
        self._settings = settings
        self._owner = owner
        self._clock = clock
        self._conversation = ""
        self._process: ClaudeProcess | None = None
        self._held: ExitStack | None = None
        self._place: TranscriptPlace | None = None
        # What claude said of the conversation when it refused to start.
        self._is_unknown = self._is_in_use = False
        self._prompt: AgentPrompt | None = None
        # The close contract rests on this lock: the owner is told only under it, and only while the news' epoch is the
        # present one. ``close`` takes it to reset the epoch. So nothing is told once close has begun.
        self._current = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid if self._process else None

    @property
    def heard_at(self) -> float:
        """The time of its last output; 0.0 where there is no process."""
        return self._process.heard_at if self._process else 0.0

    @property
    def is_outdated(self) -> bool:
        """True where the agent's prompt, or an option in it, is another one than when the process was started."""
        if self._process is None:
            return False
        try:
            return self._settings.prompt(self._agent) != self._prompt
        except (PromptError, OSError):
            return False  # there is nothing better to start with

    # ------------------------------------------------------------ its life

    def start(self, conversation: str) -> Past:
        """Start claude in this conversation, once it is locked and leftovers of an earlier process have ended."""
        self._settings.ensure_directories(self._agent)
        self._held = self._held or self._hold(conversation)
        with ExitStack() as undo:
            undo.callback(self._release)
            past = self._start(conversation)
            undo.pop_all()
        return past

    def _start(self, conversation: str) -> Past:
        self._conversation, self._process = conversation, None
        if self._place is None:
            note = self._settings.files / f"{conversation}.transcript"
            self._place = TranscriptPlace(
                note, self._settings.environment, self._settings.directory, conversation
            )
        reap(conversation, ORPHAN_SECONDS)
        failpoint("session.spawn.before")
        transcript = self._find_transcript(self._place)
        past = read_transcript(transcript)
        self.is_resumed = transcript is not None
        self._process = self._spawn(next(EPOCHS))
        failpoint("session.spawn.after")
        log.info("session_started", agent=self._agent, pid=self._process.pid, resume=self.is_resumed)
        return past

    def _hold(self, conversation: str) -> ExitStack:
        """Take a place among the sessions, and the conversation; nothing is held where one of them isn't to be had."""
        with ExitStack() as held:
            PLACES.take()
            held.callback(PLACES.give_back)
            held.callback(SessionLock(self._settings.files / f"{conversation}.lock").release)
            return held.pop_all()

    def _find_transcript(self, place: TranscriptPlace) -> Path | None:
        """Return the transcript of a conversation that claude knows; None where it knows none."""
        if self._is_unknown:
            return None
        found = place.find()
        if found is None and self._is_in_use:
            return place.ask(self._command_line(resume=True), self._settings.files / f"{self._agent}.started")
        return found

    def _command_line(self, *, resume: bool) -> list[str]:
        return command_line(
            self._settings, self._agent, self._conversation, resume=resume, write=write_atomically
        )

    def _spawn(self, epoch: int) -> ClaudeProcess:
        settings = self._settings
        self._prompt = settings.prompt(self._agent)
        arguments = self._command_line(resume=self.is_resumed)
        self.epoch = epoch
        parser = StreamParser(self._conversation)
        return ClaudeProcess(
            arguments,
            environment={**settings.environment, **TELLING},
            directory=settings.directory,
            pipe=settings.pipe(self._agent),
            errors=settings.files / f"{self._agent}.stderr",
            session_id=self._conversation,
            has_room=lambda: self._has_room(epoch),
            on_lines=lambda lines: self._on_lines(epoch, parser, lines),
            on_written=lambda tag: self._on_written(epoch, tag),
            on_exit=lambda code, noise: self._on_exit(epoch, code, noise),
            clock=self._clock.monotonic,
        )

    def kill(self) -> None:
        """Kill the process; ``Exited`` follows as after a crash."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process in an orderly way, and release the conversation."""
        with self._current:
            self.epoch = 0
        process, self._process = self._process, None
        self._place = None
        self._is_unknown = self._is_in_use = False
        try:
            if process is not None:
                process.stop(STOP_SECONDS)
        finally:
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()

    # ------------------------------------------------------------ what goes in

    def write(self, messages: list[tuple[str, str]]) -> list[str]:
        """Write messages; return the ids of those that are in the input, the others get ``Written`` later."""
        if self._process is None:
            return []
        failpoint("session.write.before")
        lines = [(message_id, user_message(message_id, text)) for message_id, text in messages]
        written = self._process.write_all(lines)
        failpoint("session.write.after")
        return written

    def has_children(self) -> bool:
        """Return whether claude has living children: its tools, and its MCP servers."""
        return self._process is not None and bool(descendants(self._process.pid))

    def interrupt(self) -> None:
        """Ask claude to end the running turn."""
        if self._process is not None:
            self._process.write_all([(CONTROL, interrupt_request(str(uuid4())))])

    def read_history(self) -> Past:
        """Read the transcript as it is now."""
        return read_transcript(self._place.find() if self._place else None)

    # ------------------------------------------------------------ what comes out, in threads that all drives share

    def _has_room(self, epoch: int) -> bool:
        return self.epoch != epoch or self._owner.wait_for_room(ROOM, timeout=0.0)

    def _on_lines(self, epoch: int, parser: StreamParser, lines: list[bytes]) -> None:
        if self.epoch != epoch:
            return  # a later process runs, or none
        facts = tuple(fact for line in lines for fact in parser.parse(line))
        if facts:
            self._note_place(parser.transcript)
            self._tell(StreamRead(epoch=epoch, facts=facts))

    def _note_place(self, transcript: str) -> None:
        """Note where the transcript is, before anything that it holds is told."""
        place = self._place
        if place is None:
            return
        try:
            place.learn(transcript)
        except OSError as error:
            log.warning("transcript_place_not_noted", agent=self._agent, reason=str(error))

    def _on_written(self, epoch: int, tag: str) -> None:
        if tag != CONTROL:
            self._tell(Written(epoch=epoch, delivery_id=tag))

    def _on_exit(self, epoch: int, code: int, noise: str) -> None:
        with self._current:
            if self.epoch == epoch:
                self._is_unknown = "No conversation found" in noise
                self._is_in_use = "is already in use" in noise
        self._tell(Exited(epoch=epoch, code=code, noise=noise))

    def _tell(self, news: FromDrive) -> None:
        with self._current:
            if self.epoch == news.epoch:
                self._owner.tell(news)
