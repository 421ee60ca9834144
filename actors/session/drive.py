"""The seam between a session and the program that it drives: the interface, and what a drive tells.

A session decides what is said and when; a drive knows how one kind of program is started, given messages and listened
to. Nothing here knows of any one program.
"""

import itertools
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from actors.lib.errors import CoordinatorError
from actors.protocol.base import Model
from actors.protocol.deliveries import DeliveryState
from actors.protocol.feed import Activity
from actors.session.clock import Clock
from actors.session.settings import SessionSettings

EPOCHS = itertools.count(1)
"""Numbers the processes of all sessions, so that no incarnation takes the news of another's for its own."""

ReceiptState = Literal[DeliveryState.ACCEPTED, DeliveryState.STARTED, DeliveryState.COMPLETED]
"""How far a program can say that a message has come."""

# ---------------------------------------------------------------- facts


class MessageMoved(Model):
    """A message that was written into the session came further; ``receipt`` is the program's own word for it."""

    uuid: str
    state: ReceiptState
    receipt: str


class TurnBegan(Model):
    """The model was asked; ``tools_missing`` names MCP servers that didn't connect."""

    tools_missing: tuple[str, ...] = ()


class Answering(Model):
    """The model speaks."""


class Limited(Model):
    """What the program knows of the account's usage limit.

    Attributes:
        until: When a limit that is reached ends, in seconds since the epoch; None: none is reached.
    """

    until: float | None


class Retrying(Model):
    """The API failed and the program tries again by itself.

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
        """What a person is told of it."""
        answer = f"the API answered {self.status}" if self.status else "the API can't be reached"
        return f"{answer} ({self.error}); attempt {self.attempt}"


class ApiFailed(Model):
    """The API has failed a turn for good; ``kind`` is the program's name for it. The turn's end follows."""

    kind: str


class TurnOver(Model):
    """A turn has ended.

    Attributes:
        text: What the model said last.
        error: Why it failed, if it did.
        by_api: It was the API that failed, after the program's own attempts.
        status: The API's HTTP status, where there was an answer.
        denied: The tools that were refused.
    """

    text: str = ""
    error: str | None = None
    by_api: bool = False
    status: int | None = None
    denied: tuple[str, ...] = ()
    cost_usd: float | None = None

    @property
    def failure(self) -> str:
        """What a person is told of a turn that the API has failed."""
        return f"the API answered {self.status}: {self.error}" if self.status else str(self.error)


class Acted(Model):
    """The agent, or one of its subagents, said or did something: for the feed only."""

    activities: tuple[Activity, ...]


class Noise(Model):
    """Output that is no event: a warning, or the reason why the program gives up."""

    text: str


Fact = MessageMoved | TurnBegan | Answering | Limited | Retrying | ApiFailed | TurnOver | Acted | Noise
"""What a program says, as far as a session needs it."""

# ---------------------------------------------------------------- what a drive tells


class OfProcess(Model):
    """Something about one process; ``epoch`` says which, so that stale news is dropped."""

    epoch: int


class StreamRead(OfProcess):
    """What the program said."""

    facts: tuple[Fact, ...]


class Written(OfProcess):
    """A message that had to wait for room is in the program's input."""

    delivery_id: str


class Exited(OfProcess):
    """The process has ended, and nobody had asked for it but by ``kill``.

    Attributes:
        code: Its exit code; negative: the signal.
        noise: The end of its standard error.
    """

    code: int
    noise: str


FromDrive = StreamRead | Written | Exited
"""What a drive tells the session that owns it."""

# ---------------------------------------------------------------- the drive


class SessionTakenError(CoordinatorError):
    """Somebody else leads this conversation."""


@dataclass(slots=True)
class Past:
    """What a conversation's history holds, wherever the program keeps it.

    Attributes:
        arrived: The ids of the messages that are in the history.
        is_answered: Nothing is left open: the last word is the model's.
        last_text: What the model said last.
    """

    arrived: set[str] = field(default_factory=set)
    is_answered: bool = True
    last_text: str = ""


class Owner(Protocol):
    """The session that a drive belongs to, as the drive sees it: its mailbox (a ``Handle`` will do)."""

    def tell(self, message: FromDrive) -> None:
        """Take this, without ever blocking."""

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Block until fewer than ``limit`` messages wait, or so many seconds are over; whether there is room."""


class Drive(Protocol):
    """One agent's program: at most one process at a time, in one conversation that nobody else leads.

    Its methods are called by one thread, the owner's, and none of them waits for the program except ``close``. What the
    program says comes up by ``owner.tell`` from a thread of the drive's own, in the program's order: ``StreamRead`` and
    ``Written`` while it runs, then ``Exited`` as the last of this process, exactly once. A reader that finds the
    owner's mailbox full waits, so a program that says too much is slowed down.

    When ``Exited`` is told, the process and all that it had started have ended. The conversation is still the drive's
    own, and ``start`` goes on with it.

    **The close contract.** ``close`` ends the process in an orderly way, forcibly after a while, and with it all that
    it had started, and it lets go of the conversation, whatever fails on the way. It may be called at any time, again,
    and instead of ever starting. From its beginning on *nothing* is told: no fact, no ``Written``, and no ``Exited``
    for the process that it ends. When it returns, no process of the conversation lives, and another drive may ``start``
    in it; so may this one.

    Attributes:
        idempotent_by_id: A message that is written again under the same id runs once, as long as the process lives.
            (After a crash only the history tells.)
        takes_input_mid_turn: A message that is written during a turn need not wait for its end.
        receipts: The receipts that it can give for a message.
        epoch: The number of the process, or of the last one that was started; 0 before that, and once it is closed.
        pid: The id of that process; None where there is none.
        is_resumed: That process went on with a conversation that was there.
        heard_at: When it last said anything, on the clock that was handed in; 0.0 where there is no process.
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
    def heard_at(self) -> float: ...  # noqa: D102

    def start(self, conversation: str) -> Past:
        """Start a process in this conversation, with a new epoch; what an earlier one has left there is ended first.

        Only where none runs: at first, after ``Exited``, and after ``close``. Where it raises, no process was left, and
        it may be called again.

        Args:
            conversation: Its id; the same from the first start to ``close``.

        Returns:
            What its history holds before the process adds to it.

        Raises:
            PromptError: The agent has no prompt, or one that can't be used.
            SessionTakenError: Somebody else leads the conversation.
            OSError: It can't be started, or can't be looked into.
        """

    def write(self, messages: list[tuple[str, str]]) -> list[str]:
        """Give it messages, each an id and a text, in order.

        Returns:
            The ids of those that are already in its input; of each other one ``Written`` tells later, or nothing if
            the process ends before. Without a process nothing is taken.
        """

    def read_history(self) -> Past:
        """Read what the history of the conversation holds now.

        Raises:
            OSError: It can't be read now.
        """

    def interrupt(self) -> None:
        """Ask it to end the turn that runs; the turn's end comes up as any other. Without a turn nothing happens."""

    def kill(self) -> None:
        """End the process at once, as a crash does: ``Exited`` follows. Without a process nothing happens."""

    def close(self) -> None:
        """End it, and let go of the conversation; see above."""


class DriveFactory(Protocol):
    """Makes the drive of a session."""

    def __call__(self, agent: str, settings: SessionSettings, owner: Owner, clock: Clock, /) -> Drive:
        """Make it; nothing is started yet."""
