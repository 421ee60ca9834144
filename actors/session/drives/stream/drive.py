"""The drive of Claude in stream mode: ``claude -p`` with stream-json, its output in a PTY, its input a named pipe.

The id of a message is the uuid under which Claude reads it, and Claude's life-cycle events are the receipts.
"""

import threading
from contextlib import ExitStack
from typing import ClassVar
from uuid import uuid4

import structlog

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
from actors.session.drives.stream.parse import interrupt_request, parse_line, user_message
from actors.session.drives.stream.process import ClaudeProcess
from actors.session.drives.stream.transcript import find_transcript, read_transcript
from actors.session.settings import SessionSettings

log = structlog.get_logger(__name__)

ROOM = 1000
"""The number of batches of output that may wait for the owner before reading pauses."""
CONTROL = ""
"""The tag of control requests in the pipe: no ``Written`` is told for it."""


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
        self._is_unknown = False
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

    # ------------------------------------------------------------ its life

    def start(self, conversation: str) -> Past:
        """Start claude in this conversation, once it is locked and leftovers of an earlier process have ended."""
        self._held = self._held or self._hold(conversation)
        with ExitStack() as undo:
            undo.callback(self._release)
            past = self._start(conversation)
            undo.pop_all()
        return past

    def _start(self, conversation: str) -> Past:
        self._conversation, self._process = conversation, None
        reap(conversation, ORPHAN_SECONDS)
        failpoint("session.spawn.before")
        transcript = find_transcript(self._settings.environment, conversation)
        past = read_transcript(transcript)
        self.is_resumed = transcript is not None and not self._is_unknown
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

    def _spawn(self, epoch: int) -> ClaudeProcess:
        settings = self._settings
        arguments = command_line(
            settings, self._agent, self._conversation, resume=self.is_resumed, write=write_atomically
        )
        self.epoch = epoch
        return ClaudeProcess(
            arguments,
            environment=settings.environment,
            directory=settings.directory,
            pipe=settings.pipe(self._agent),
            errors=settings.files / f"{self._agent}.stderr",
            session_id=self._conversation,
            has_room=lambda: self._has_room(epoch),
            on_lines=lambda lines: self._on_lines(epoch, lines),
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

    def interrupt(self) -> None:
        """Ask claude to end the running turn."""
        if self._process is not None:
            self._process.write_all([(CONTROL, interrupt_request(str(uuid4())))])

    def read_history(self) -> Past:
        """Read the transcript as it is now."""
        return read_transcript(find_transcript(self._settings.environment, self._conversation))

    # ------------------------------------------------------------ what comes out, in threads that all drives share

    def _has_room(self, epoch: int) -> bool:
        return self.epoch != epoch or self._owner.wait_for_room(ROOM, timeout=0.0)

    def _on_lines(self, epoch: int, lines: list[bytes]) -> None:
        if self.epoch != epoch:
            return  # a later process runs, or none
        facts = tuple(fact for line in lines for fact in parse_line(line))
        if facts:
            self._tell(StreamRead(epoch=epoch, facts=facts))

    def _on_written(self, epoch: int, tag: str) -> None:
        if tag != CONTROL:
            self._tell(Written(epoch=epoch, delivery_id=tag))

    def _on_exit(self, epoch: int, code: int, noise: str) -> None:
        with self._current:
            if self.epoch == epoch:
                self._is_unknown = "No conversation found" in noise
        self._tell(Exited(epoch=epoch, code=code, noise=noise))

    def _tell(self, news: FromDrive) -> None:
        with self._current:
            if self.epoch == news.epoch:
                self._owner.tell(news)
