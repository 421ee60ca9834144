"""The interface between a session and the program that it drives, and the messages that a drive sends.

A session decides what is written and when; a drive knows how one kind of program is started, written to and read.
Nothing here knows of any one program.
"""

import itertools
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from actors.lib.errors import CoordinatorError
from actors.protocol.base import Model
from actors.protocol.deliveries import DeliveryState
from actors.protocol.feed import Activity
from actors.protocol.sessions import Refusal
from actors.session.clock import Clock
from actors.session.settings import SessionSettings

EPOCHS = itertools.count(1)
"""Numbers for the processes of all sessions, so that no incarnation takes another's news for its own."""

ReceiptState = Literal[DeliveryState.ACCEPTED, DeliveryState.STARTED, DeliveryState.COMPLETED]
"""The receipts that a program can give for a message."""

# ---------------------------------------------------------------- facts


class MessageMoved(Model):
    """The receipt of a message that was written; ``receipt`` is the program's own word for it."""

    uuid: str
    state: ReceiptState
    receipt: str


class Unproven(Model):
    """Notice that the program is done with a message, and has given no sign that the model got it.

    A hook may have refused it, for one. Only the history can tell; where it isn't there, this process won't take it
    any more, not even under the same id.
    """

    uuid: str


class Refused(Model):
    """A message that a hook of the user's has stopped on its way to the model.

    Attributes:
        reason: The hook's words; empty where it isn't known why.
        is_kept: True where the message is in the history all the same.
    """

    reason: str
    is_kept: bool


class BackgroundTask(Model):
    """Work that goes on after the end of a turn: a command in the background, or a subagent."""

    id: str
    description: str


class BackgroundChanged(Model):
    """All work that is going on in the background now."""

    tasks: tuple[BackgroundTask, ...]


class RunningChanged(Model):
    """The program's own word on whether a turn is running; one may begin by itself, for one when a task has ended."""

    is_running: bool


class TurnBegan(Model):
    """The beginning of a turn.

    Attributes:
        tools_missing: The names of MCP servers that didn't connect.
        version: The program's version; empty where it doesn't say.
    """

    tools_missing: tuple[str, ...] = ()
    version: str = ""


class Answering(Model):
    """An answer of the model is coming in."""


class Limited(Model):
    """The state of the account's usage limit.

    Attributes:
        until: The end of a limit that is reached, in seconds since the epoch; None: none is reached.
    """

    until: float | None


class Retrying(Model):
    """A failure of the API after which the program tries again by itself.

    Attributes:
        status: The API's HTTP status, where there was an answer.
        attempt: Which attempt comes next, counted from 1.
        seconds: How long the program waits before it.
        error: The program's name for what went wrong.
    """

    status: int | None
    attempt: int
    seconds: float
    error: str

    @property
    def words(self) -> str:
        """A description for a person."""
        answer = f"the API answered {self.status}" if self.status else "the API can't be reached"
        return f"{answer} ({self.error}); attempt {self.attempt}"


class ApiFailed(Model):
    """A failure of the API that ends the turn; ``kind`` is the program's name for it. ``TurnOver`` follows."""

    kind: str


class TurnOver(Model):
    """The end of a turn.

    Attributes:
        text: The model's last words.
        error: Why it failed, if it did.
        by_api: True where the API failed, after the program's own attempts.
        status: The API's HTTP status, where there was an answer.
        denied: The uses of tools that were refused.
        cost_usd: The cost of the session so far, in dollars, by the program's own reckoning.
        origin: What began it where that was no message of ours, in the program's own words, such as ``peer``; empty for
            our messages, and for background work that has ended.
        was_asked: True where the model was asked. Without that nothing was said: a hook has stopped the turn, or the
            program reports in this form what became of background work before it was resumed.
    """

    text: str = ""
    error: str | None = None
    by_api: bool = False
    status: int | None = None
    denied: tuple[Refusal, ...] = ()
    cost_usd: float | None = None
    origin: str = ""
    was_asked: bool = True

    @property
    def failure(self) -> str:
        """A description, for a person, of a turn that the API has failed."""
        return f"the API answered {self.status}: {self.error}" if self.status else str(self.error)


class Acted(Model):
    """Words and actions of the agent or its subagents, for the feed only."""

    activities: tuple[Activity, ...]


class Noise(Model):
    """Output that is no event: a warning, or the reason why the program gives up."""

    text: str


Fact = (
    MessageMoved
    | Unproven
    | Refused
    | BackgroundChanged
    | RunningChanged
    | TurnBegan
    | Answering
    | Limited
    | Retrying
    | ApiFailed
    | TurnOver
    | Acted
    | Noise
)
"""Everything in a program's output that a session needs."""

# ---------------------------------------------------------------- what a drive tells


class OfProcess(Model):
    """A message about one process; ``epoch`` says which, so that stale news is dropped."""

    epoch: int


class StreamRead(OfProcess):
    """Facts from the program's output, in order."""

    facts: tuple[Fact, ...]


class Written(OfProcess):
    """A message that had to wait for space is now in the program's input."""

    delivery_id: str


class Exited(OfProcess):
    """The process has ended by itself or by ``kill``, not by ``close``.

    Attributes:
        code: Its exit code; negative: the signal.
        noise: The end of its standard error.
    """

    code: int
    noise: str


FromDrive = StreamRead | Written | Exited
"""The messages of a drive to the session that owns it."""

# ---------------------------------------------------------------- the drive


class SessionTakenError(CoordinatorError):
    """Another process uses this conversation."""


class HistoryHiddenError(CoordinatorError):
    """The program knows the conversation, and it can't be found out where its history lies."""


@dataclass(slots=True)
class Past:
    """The contents of a conversation's history, wherever the program keeps it.

    Attributes:
        arrived: The ids of the messages that are in the history.
        is_answered: True where no turn is left open: the last word is the model's.
        last_text: The model's last words.
    """

    arrived: set[str] = field(default_factory=set)
    is_answered: bool = True
    last_text: str = ""


class Owner(Protocol):
    """The mailbox of the session that a drive belongs to; a ``Handle`` fits."""

    def tell(self, message: FromDrive) -> None:
        """Deliver a message, without ever blocking."""

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Block until fewer than ``limit`` messages wait, at most ``timeout`` seconds; return whether that is so."""


class Drive(Protocol):
    """One agent's program: at most one process at a time, in one conversation that no other process uses.

    The owner calls its methods from one thread, and only ``close`` waits for the program. Output comes up by
    ``owner.tell`` from a thread of the drive, in the program's order: ``StreamRead`` and ``Written`` while it runs,
    then ``Exited`` exactly once, as the last message of this process. While the owner's mailbox is full the drive
    stops reading, so that a program that says too much is slowed down.

    When ``Exited`` is told, the process and everything that it had started have ended. The conversation still belongs
    to the drive, and ``start`` resumes it.

    Example::

        past = drive.start(session_id)
        drive.write([(message_id, "text")])  # then StreamRead(MessageMoved …), … come up
        drive.close()

    **The close contract.** ``close`` ends the process in an orderly way, and by force after a while. It also ends
    everything that the process had started, and releases the conversation, whatever fails on the way. It may be called
    at any time, repeatedly, and without a ``start`` before. From its beginning on *nothing* is told: no fact, no
    ``Written``, and no ``Exited`` for the process that it ends. When it returns, no process of the conversation lives,
    and this or another drive may ``start`` in it.

    Attributes:
        idempotent_by_id: True where a message that is resent under the same id runs once, as long as the process
            lives. (After a crash only the history tells.)
        takes_input_mid_turn: True where a message that is written during a turn need not wait for its end.
        receipts: The receipts that it can give for a message.
        epoch: The number of the process, or of the last one that was started; 0 before that, and once it is closed.
        pid: The id of that process; None where there is none.
        is_outdated: True where that process runs with options that it would not be started with now.
        is_resumed: True where that process resumed a conversation that existed before.
        heard_at: The time of its last output, on the clock that was handed in; 0.0 where there is no process.
    """

    idempotent_by_id: ClassVar[bool]
    takes_input_mid_turn: ClassVar[bool]
    receipts: ClassVar[frozenset[ReceiptState]]

    @property
    def epoch(self) -> int: ...  # noqa: D102 - see above

    @property
    def pid(self) -> int | None: ...  # noqa: D102

    @property
    def is_resumed(self) -> bool: ...  # noqa: D102

    @property
    def is_outdated(self) -> bool: ...  # noqa: D102

    @property
    def heard_at(self) -> float: ...  # noqa: D102

    def start(self, conversation: str) -> Past:
        """Start a process in this conversation, under a new epoch; leftovers of an earlier one are ended first.

        Allowed only while none runs: at first, after ``Exited``, and after ``close``. Where it raises, no process is
        left, the conversation is released, and it may be called again.

        Args:
            conversation: Its id; the same from the first start to ``close``.

        Returns:
            The history, as it is before the process adds to it.

        Raises:
            PromptError: The agent has no prompt, or one that can't be used.
            SessionTakenError: Another process uses the conversation.
            HistoryHiddenError: The history can't be found, though the program says that there is one.
            OSError: The program can't be started, or the history can't be read.
        """

    def write(self, messages: list[tuple[str, str]]) -> list[str]:
        """Write messages, each an id and a text, in order.

        Returns:
            The ids of those that are already in the program's input. For each other one ``Written`` follows, unless
            the process ends before. Without a process nothing is written.
        """

    def read_history(self) -> Past:
        """Read the conversation's history as it is now.

        Raises:
            OSError: It can't be read now.
        """

    def has_children(self) -> bool:
        """Return whether processes that the program has started are alive: its tools, for one."""

    def interrupt(self) -> None:
        """Ask the program to end the running turn; its end comes up as any other. Without a turn nothing happens."""

    def kill(self) -> None:
        """End the process at once, as a crash does: ``Exited`` follows. Without a process nothing happens."""

    def close(self) -> None:
        """End the process and release the conversation; see the close contract."""


class DriveFactory(Protocol):
    """A callable that makes the drive of a session."""

    def __call__(self, agent: str, settings: SessionSettings, owner: Owner, clock: Clock, /) -> Drive:
        """Make the drive; nothing is started yet."""
