"""The claude of one agent: at most one process, in a conversation that nobody else leads.

A plain class: it starts and ends the process, and has others decide when.
"""

import structlog

from actors.session.command import SessionSettings, command_line
from actors.session.facts import parse_line
from actors.session.lock import SessionLock
from actors.session.news import EPOCHS, Exited, StreamRead, Written
from actors.session.process import ClaudeProcess, reap
from actors.session.transcript import Conversation, find_transcript, read_transcript
from actors.workdir.files import write_atomically
from supervisors import Handle

log = structlog.get_logger(__name__)

STOP_SECONDS = 4.0
"""How long claude may take to end after SIGTERM."""
ORPHAN_SECONDS = 2.0
ROOM = 1000
"""How many batches of output may wait for the owner before reading pauses."""
ROOM_SECONDS = 0.5
"""How often a reading that pauses looks whether anybody still wants it."""


class Claude:
    """Starts, resumes and ends an agent's claude.

    Args:
        agent: The agent's name.
        settings: What all sessions need to know.
        owner: Whom to tell what the process says, and that it has ended (``actors.session.news``).

    Attributes:
        session_id: The conversation; empty until it is known.
        epoch: The number of the process, or of the last one; news of another's is stale.
        is_resumed: The process went on with a conversation that was there.
    """

    def __init__(self, agent: str, settings: SessionSettings, owner: Handle) -> None:
        self.session_id = ""
        self.epoch = 0
        self.is_resumed = False
        self._agent = agent
        self._settings = settings
        self._owner = owner
        self._process: ClaudeProcess | None = None
        self._lock: SessionLock | None = None
        self._is_unknown = False

    @property
    def is_running(self) -> bool:
        """There is a process whose end wasn't told yet."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id, if it runs."""
        return self._process.pid if self._process else None

    @property
    def heard_at(self) -> float:
        """When it last said anything, on the monotonic clock; 0 if it doesn't run."""
        return self._process.heard_at if self._process else 0.0

    # ------------------------------------------------------------ its life

    def start(self) -> Conversation:
        """Start it in its conversation, once nobody else is there.

        Returns:
            What the transcript says, before the process adds to it.

        Raises:
            PromptError: The agent has no prompt, or one that can't be used.
            SessionTakenError: Somebody else leads the conversation.
            OSError: It can't be started.
        """
        if self._lock is None:
            self._lock = SessionLock(self._settings.files / f"{self.session_id}.lock")
        reap(self.session_id, ORPHAN_SECONDS)
        transcript = find_transcript(self._settings.environment, self.session_id)
        history = read_transcript(transcript)
        self.is_resumed = transcript is not None and not self._is_unknown
        self._process = self._spawn(next(EPOCHS))
        log.info("session_started", agent=self._agent, pid=self._process.pid, resume=self.is_resumed)
        return history

    def _spawn(self, epoch: int) -> ClaudeProcess:
        settings, tell = self._settings, self._owner.tell
        arguments = command_line(
            settings, self._agent, self.session_id, resume=self.is_resumed, write=write_atomically
        )
        self.epoch = epoch
        return ClaudeProcess(
            arguments,
            environment=settings.environment,
            directory=settings.directory,
            pipe=settings.pipe(self._agent),
            errors=settings.files / f"{self._agent}.stderr",
            session_id=self.session_id,
            on_lines=lambda lines: self._on_lines(epoch, lines),
            on_written=lambda tag: tell(Written(epoch=epoch, delivery_id=tag)),
            on_exit=lambda code, noise: tell(Exited(epoch=epoch, code=code, noise=noise)),
        )

    def ended(self, noise: str) -> None:
        """It has ended by itself: end what it leaves behind.

        Args:
            noise: The end of its standard error; it says whether claude knows the conversation.
        """
        self._process = None
        self._is_unknown = "No conversation found" in noise
        reap(self.session_id, 0.0)  # tools outlive a claude that was killed

    def kill(self) -> None:
        """End a process that hangs; its end is told as any other."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End it in an orderly way, and let go of the conversation."""
        self.epoch = 0
        process, self._process = self._process, None
        if process is not None:
            process.stop(STOP_SECONDS)
        if self._lock is not None:
            self._lock.release()

    # ------------------------------------------------------------ what goes in and comes out

    def write(self, messages: list[tuple[str, bytes]]) -> list[str]:
        """Give it messages; the ids of those that are in its input, of others ``Written`` tells later."""
        return self._process.write_all(messages) if self._process and messages else []

    def read_transcript(self) -> Conversation:
        """What the transcript says now."""
        return read_transcript(find_transcript(self._settings.environment, self.session_id))

    def _on_lines(self, epoch: int, lines: list[bytes]) -> None:
        """In the reading thread."""
        facts = tuple(fact for line in lines if (fact := parse_line(line)) is not None)
        if not facts:
            return
        while not self._owner.wait_for_room(ROOM, timeout=ROOM_SECONDS):
            if self.epoch != epoch:
                return  # nobody will read it
        self._owner.tell(StreamRead(epoch=epoch, facts=facts))
