"""Reports from a session to the router: delivery steps, session states, and ends of turns.

Steps always go up before the state or the end of a turn that follows from them, so that the router never acts on an end
whose deliveries it still believes to be open.
"""

from datetime import datetime, timedelta

from actors.lib.failpoints import failpoint
from actors.protocol.names import ROUTER
from actors.protocol.sessions import (
    ConversationBegan,
    FromSession,
    ProgramSeen,
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
    """Reports one session to the router.

    Args:
        agent: The session's agent.
        system: Finds the router.
        conversation: The source of the delivery steps.

    Attributes:
        state: The session's state, as it was last reported.
    """

    def __init__(self, agent: str, system: AddressBook, conversation: Conversation) -> None:
        self.state = SessionState.STARTING
        self._agent = agent
        self._system = system
        self._conversation = conversation
        self._told_pid: int | None = None
        self._version = ""

    def announce(self, *, idle: bool) -> None:
        """Ask the router for the conversation and for every delivery that isn't over.

        Args:
            idle: True where the session has nothing left to do.
        """
        self.progress()  # first, or the router would resend what is completed
        self._tell(SessionReady(agent=self._agent, idle=idle))

    def conversation_began(self, session_id: str) -> None:
        """Report that claude begins this conversation without a history."""
        self._tell(ConversationBegan(agent=self._agent, session_id=session_id))

    def program_seen(self, version: str) -> None:
        """Report the program's version, if it has changed."""
        if version and version != self._version:
            self._version = version
            self._tell(ProgramSeen(agent=self._agent, version=version))

    def progress(self) -> None:
        """Report the delivery steps since the last call, if there are any."""
        if steps := self._conversation.take_steps():
            failpoint("session.report.before")
            self._tell(Progressed(agent=self._agent, steps=steps))
            failpoint("session.report.after")

    def change(
        self,
        state: SessionState,
        pid: int | None,
        detail: str = "",
        *,
        in_background: bool = False,
        is_spoiled: bool = False,
    ) -> None:
        """Report a state or a process id that has changed; with a detail it is reported in any case.

        Args:
            state: The session's state.
            pid: The id of Claude's process; None where none runs.
            detail: More for a person: when the session goes on, or what happened.
            in_background: True while it works between turns only.
            is_spoiled: True where only a new conversation helps.
        """
        if (state, pid) == (self.state, self._told_pid) and not detail:
            return
        self.progress()
        self.state, self._told_pid = state, pid
        changed = SessionChanged(
            agent=self._agent,
            state=state,
            detail=detail,
            pid=pid,
            in_background=in_background,
            is_spoiled=is_spoiled,
        )
        self._tell(changed)

    def turn_ended(self, turn: TurnOver) -> None:
        """Report the end of a turn that leaves the session idle."""
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
    """Return a line that says what will happen, at which local time, and why.

    The time stands before the reason, since long reasons get cut. Example: ``goes on at 12:00:01: the API answered 529
    (overloaded); attempt 2``. On another day the date precedes the time.

    Args:
        what: What will happen, such as "goes on".
        seconds: How long from now.
        why: The reason.
        now: The time now; the machine's if none is given.
    """
    now = now or datetime.now().astimezone()
    due = now + timedelta(seconds=seconds)
    day = "" if due.date() == now.date() else f"{due:%Y-%m-%d} "
    return f"{what} at {day}{due:%H:%M:%S}: {why}"
