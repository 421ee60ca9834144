"""The claude of one agent: at most one process, in a conversation that nobody else leads.

A plain class: it starts and ends the process, and has others decide when.
"""

import time
from dataclasses import dataclass

import structlog

from actors.lib.deadlines import CLAUDE as STOP_SECONDS
from actors.lib.failpoints import failpoint
from actors.lib.files import write_atomically
from actors.lib.process_marks import ORPHAN_SECONDS, end_leftovers, reap
from actors.session.drives.stream.command import SessionSettings, command_line
from actors.session.drives.stream.lock import SessionLock
from actors.session.drives.stream.parse import parse_line
from actors.session.drives.stream.process import ClaudeProcess
from actors.session.drives.stream.transcript import Conversation, find_transcript, read_transcript
from actors.session.news import EPOCHS, Exited, StreamRead, Written
from actors.session.policy import CrashWindow
from supervisors import Handle

log = structlog.get_logger(__name__)

ROOM = 1000
"""How many batches of output may wait for the owner before reading pauses."""
ROOM_SECONDS = 0.1
"""How often a reading that pauses looks whether anybody still wants it."""
NOISE_TAIL = 500
"""How much of what claude said on its standard error a person is told, in characters."""


@dataclass(frozen=True, slots=True)
class Crash:
    """An end that nobody had asked for.

    Attributes:
        detail: What happened, for a person.
        seconds: How long to wait before the next start, or None if it crashes again and again.
    """

    detail: str
    seconds: float | None


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
        self._crashes = CrashWindow()
        self._goes_on_at = 0.0

    @property
    def is_running(self) -> bool:
        """There is a process whose end wasn't told yet."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id, if it runs."""
        return self._process.pid if self._process else None

    @property
    def silent_since(self) -> float:
        """When it last said anything, or said that it would go on, on the monotonic clock; 0 if it doesn't run."""
        return max(self._process.heard_at, self._goes_on_at) if self._process else 0.0

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
        failpoint("session.spawn.before")
        transcript = find_transcript(self._settings.environment, self.session_id)
        history = read_transcript(transcript)
        self.is_resumed = transcript is not None and not self._is_unknown
        self._process = self._spawn(next(EPOCHS))
        failpoint("session.spawn.after")
        log.info("session_started", agent=self._agent, pid=self._process.pid, resume=self.is_resumed)
        return history

    def _spawn(self, epoch: int) -> ClaudeProcess:
        settings, tell = self._settings, self._owner.tell
        arguments = command_line(
            settings, self._agent, self.session_id, resume=self.is_resumed, write=write_atomically
        )
        self.epoch, self._goes_on_at = epoch, 0.0
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

    def ended(self, code: int, noise: str) -> Crash:
        """It has ended by itself: end what it leaves behind.

        Args:
            code: Its exit code; negative: the signal.
            noise: The end of its standard error; it says whether claude knows the conversation.
        """
        self._process = None
        end_leftovers(self.session_id)  # tools outlive a claude that was killed
        self._is_unknown = "No conversation found" in noise
        noise = noise[-NOISE_TAIL:]
        log.warning("session_crashed", agent=self._agent, code=code, noise=noise)
        detail = f"claude ended by itself with {describe_exit(code)}" + (f": {noise}" if noise else "")
        if self._crashes.add(time.monotonic()):
            return Crash(f"{detail}; it crashed {len(self._crashes)} times in a row", None)
        return Crash(detail, self._crashes.delay())

    def forget_crashes(self) -> None:
        """It has done something useful, or a person says that the reason is gone."""
        self._crashes.clear()

    def pauses(self, seconds: float) -> None:
        """It has said that it goes on only after so many seconds."""
        self._goes_on_at = time.monotonic() + seconds

    def kill(self) -> None:
        """End a process that hangs; its end is told as any other."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End it in an orderly way, and let go of the conversation."""
        self.epoch = 0
        process, self._process = self._process, None
        lock, self._lock = self._lock, None
        try:
            if process is not None:
                process.stop(STOP_SECONDS)
        finally:
            if lock is not None:
                lock.release()

    # ------------------------------------------------------------ what goes in and comes out

    def write(self, messages: list[tuple[str, bytes]]) -> list[str]:
        """Give it messages; the ids of those that are in its input, of others ``Written`` tells later."""
        if self._process is None:
            return []
        failpoint("session.write.before")
        written = self._process.write_all(messages)
        failpoint("session.write.after")
        return written

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


def describe_exit(code: int) -> str:
    """An exit code, or the signal that ended a process, in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
