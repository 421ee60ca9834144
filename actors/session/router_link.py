"""What a session tells the router: how far contexts have come, what it is doing, how turns ended.

What contexts have come through is always told before what follows from it.
"""

from datetime import datetime, timedelta

from actors.lib.failpoints import failpoint
from actors.protocol.names import ROUTER
from actors.protocol.sessions import (
    FromSession,
    Progressed,
    SessionChanged,
    SessionReady,
    SessionState,
    TurnEnded,
)
from actors.session.conversation import Conversation
from actors.session.drive import TurnOver
from supervisors import AddressBook


class RouterLink:
    """Tells the router of one session.

    Args:
        agent: The session's agent.
        system: Where the router is found.
        conversation: What is said in the session.

    Attributes:
        state: What the session is doing.
    """

    def __init__(self, agent: str, system: AddressBook, conversation: Conversation) -> None:
        self.state = SessionState.STARTING
        self._agent = agent
        self._system = system
        self._conversation = conversation
        self._told_pid: int | None = None

    def announce(self, *, idle: bool) -> None:
        """Say that it is there, and wants its conversation and what is on its way to it.

        Args:
            idle: Nothing is on its way to Claude, or to follow.
        """
        self.progress()  # first, or the router would give what is done once more
        self._tell(SessionReady(agent=self._agent, idle=idle))

    def progress(self) -> None:
        """Contexts have come further, perhaps."""
        if steps := self._conversation.take_steps():
            failpoint("session.report.before")
            self._tell(Progressed(agent=self._agent, steps=steps))
            failpoint("session.report.after")

    def change(self, state: SessionState, pid: int | None, detail: str = "") -> None:
        """It is doing something else, perhaps; with a detail it is told anyway.

        Args:
            state: What it is doing.
            pid: Claude's process, if it runs.
            detail: More of it, for a person: when it goes on, or what happened.
        """
        if (state, pid) == (self.state, self._told_pid) and not detail:
            return
        self.progress()
        self.state, self._told_pid = state, pid
        self._tell(SessionChanged(agent=self._agent, state=state, detail=detail, pid=pid))

    def turn_ended(self, turn: TurnOver) -> None:
        """It is idle."""
        self.progress()
        ended = TurnEnded(
            agent=self._agent, text=turn.text, error=turn.error, denied=turn.denied, cost_usd=turn.cost_usd
        )
        failpoint("session.turn.before")
        self._tell(ended)
        failpoint("session.turn.after")

    def _tell(self, message: FromSession) -> None:
        self._system.handle(ROUTER).tell(message)


def later(what: str, seconds: float, why: str, now: datetime | None = None) -> str:
    """What will happen, the local time at which it will, and why: the time first, since long reasons get cut.

    Args:
        what: What will happen, such as "goes on".
        seconds: How long from now.
        why: The reason.
        now: The time now, if it isn't the clock's.
    """
    now = now or datetime.now().astimezone()
    due = now + timedelta(seconds=seconds)
    day = "" if due.date() == now.date() else f"{due:%Y-%m-%d} "
    return f"{what} at {day}{due:%H:%M:%S}: {why}"
