"""Routing of each message to its handler."""

from typing import assert_never

from actors.protocol.backend import (
    BackendChanged,
    BackendOpened,
    EventReceived,
    FromConnection,
    InputRejected,
    PublicationConfirmed,
    PublicationRefused,
    PublicationSent,
    ReplayChanged,
    ResendPublications,
)
from actors.protocol.reports import AnyReport, Report
from actors.protocol.sessions import (
    ConversationBegan,
    FromSession,
    ProgramSeen,
    Progressed,
    SessionChanged,
    SessionReady,
    SessionsLost,
    TurnEnded,
)
from actors.router.backend import Backend
from actors.router.decisions import Decision, Decisions, LanesChanged
from actors.router.dispatch import Dispatch
from actors.router.lanes import Lanes
from actors.router.reports import Reports
from actors.router.turns import Turns
from actors.router.unit_of_work import UnitOfWork

Work = FromConnection | FromSession | AnyReport
"""The messages that are handled as a unit of work."""


class Handlers:
    """The handlers of all kinds of messages.

    Args:
        backend: Handles messages from the connection.
        turns: Handles messages from sessions.
        reports: Handles reports and requests.
        lanes: The agents.
        dispatch: Is told whether the backend replays.
    """

    def __init__(
        self, backend: Backend, turns: Turns, reports: Reports, lanes: Lanes, dispatch: Dispatch
    ) -> None:
        self._backend = backend
        self._turns = turns
        self._reports = reports
        self._lanes = lanes
        self._dispatch = dispatch

    def decide(self, message: Work, work: UnitOfWork) -> Decisions:
        """Handle a message: make its records and notes, and return the decisions that follow."""
        match message:
            case EventReceived():
                return self._backend.event(message, work)
            case Progressed():
                return self._turns.progressed(message, work)
            case TurnEnded():
                return self._turns.ended(message, work)
            case SessionChanged():
                return self._turns.changed(message, work)
            case SessionReady():
                return self._session_ready(message, work)
            case ConversationBegan():
                return self._turns.conversation_began(message, work)
            case ProgramSeen():
                self._turns.program_seen(message, work)
            case SessionsLost():
                return self._sessions_lost()
            case InputRejected():
                work.reject(message)
            case BackendOpened():
                self._backend.opened(message, work)
            case ResendPublications():
                self._backend.resend_publications()
            case BackendChanged():
                self._backend.changed(message, work)
                if message.state != "open":
                    return self._replay_changed(running=False)
            case ReplayChanged():
                return self._replay_changed(running=message.running)
            case PublicationSent() | PublicationConfirmed() | PublicationRefused():
                self._backend.answered(message, work)
            case Report():
                return self._reports.decide(message, work)
            case _:
                assert_never(message)
        return ()

    def _session_ready(self, message: SessionReady, work: UnitOfWork) -> Decisions:
        """Give a session its outstanding deliveries; if it is idle, check the end of the subtask in hand."""
        lane = self._lanes.of(message.agent, work)
        self._dispatch.session_ready(lane, work, idle=message.idle)
        decisions: list[Decision] = [LanesChanged((message.agent,))]
        if message.idle:
            decisions += self._turns.idle(lane, TurnEnded(agent=message.agent), work)
        return decisions

    def _sessions_lost(self) -> Decisions:
        """Mark all sessions as down, so that those with deliveries are started again."""
        for lane in self._lanes.by_agent.values():
            lane.is_up = False
        return self._all_lanes()

    def _replay_changed(self, *, running: bool) -> Decisions:
        """Suspend assignments while the backend resends missed events."""
        has_ended = self._dispatch.is_replaying and not running
        self._dispatch.is_replaying = running
        return self._all_lanes() if has_ended else ()

    def _all_lanes(self) -> Decisions:
        return (LanesChanged(tuple(self._lanes.by_agent)),)
