"""What comes in to the router, and what is done about it: one method a message.

A plain class without threads: it works on the journal and leaves what is to be said in ``outgoing``.
"""

from collections.abc import Callable
from typing import Any

from actors.graph.graph import Graph
from actors.journal.history import History
from actors.journal.journal import Journal
from actors.protocol.backend import (
    BackendChanged,
    BackendOpened,
    EventReceived,
    InputRejected,
    PublicationConfirmed,
    PublicationRefused,
    PublicationSent,
    ReplayChanged,
    Resume,
)
from actors.protocol.names import CONNECTION, FEED, WORKDIR
from actors.protocol.reports import (
    DescribeSubtask,
    DropDelivery,
    ReportBlocked,
    ReportCompletion,
    RetryBackend,
    RetryDelivery,
    RetrySubtask,
    SendMessage,
    ShareKnowledge,
    StartSession,
)
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Progressed, SessionChanged, SessionReady, SessionsLost, TurnEnded
from actors.router.dispatch import Dispatch
from actors.router.outgoing import Outgoing
from actors.router.publisher import Publisher
from actors.router.reports import Reports
from actors.router.turns import Turns
from actors.router.workflow import Workflow


class Desk:
    """Dispatches messages to those who know what to do.

    Args:
        clock: The time in seconds since the epoch.
    """

    def __init__(
        self,
        journal: Journal,
        graph: Graph,
        dispatch: Dispatch,
        workflow: Workflow,
        history: History,
        publisher: Publisher,
        reports: Reports,
        turns: Turns,
        outgoing: Outgoing,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._dispatch = dispatch
        self._workflow = workflow
        self._history = history
        self._publisher = publisher
        self._outgoing = outgoing
        self._clock = clock
        self._backend = ""
        self._cursor = self._saved_cursor = int(journal.get("cursor") or 0)
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            EventReceived: self._event,
            InputRejected: self._rejected,
            BackendOpened: self._backend_opened,
            BackendChanged: self._backend_changed,
            ReplayChanged: self._replay_changed,
            PublicationSent: lambda message, _: publisher.settle(message.key, "sent"),
            PublicationConfirmed: lambda message, _: publisher.settle(message.key, "published"),
            PublicationRefused: self._publication_refused,
            SessionsLost: lambda _message, _now: dispatch.sessions_lost(),
            SessionReady: turns.session_ready,
            SessionChanged: turns.session_changed,
            Progressed: turns.progressed,
            TurnEnded: turns.ended,
            ReportCompletion: reports.completion,
            ReportBlocked: reports.blocked,
            SendMessage: reports.message,
            ShareKnowledge: reports.knowledge,
            DescribeSubtask: reports.describe,
            StartSession: reports.start_session,
            RetryDelivery: reports.retry,
            RetrySubtask: reports.retry_subtask,
            DropDelivery: reports.drop,
            RetryBackend: reports.retry_backend,
        }

    def handle(self, message: object) -> None:
        """Do what a message asks for; durable, and said, after the next commit.

        Raises:
            TypeError: Nobody here knows such a message.
        """
        handler = self._handlers.get(type(message))
        if handler is None:
            raise TypeError(f"the router knows no {type(message).__name__}")
        now = self._clock()
        handler(message, now)
        self._dispatch.settle(now)
        nodes, edges = self._graph.take_touched()
        if nodes or edges:
            self._journal.nodes.save(nodes, edges)

    def start(self) -> None:
        """Take up what an earlier router left."""
        for name in (CONNECTION, FEED, WORKDIR):
            self._outgoing.tell(name, RouterStarted())
        self._dispatch.resume()
        self._dispatch.settle(self._clock())

    def commit(self) -> None:
        """Make it durable: the events, what follows from them, and how far the backend was read."""
        if self._saved_cursor != self._cursor:
            self._journal.put("cursor", str(self._cursor))
            self._saved_cursor = self._cursor
        self._journal.commit()

    # ------------------------------------------------------------ the backend

    def _event(self, message: EventReceived, now: float) -> None:
        event = message.event
        if not self._workflow.take(event, message.source, now) and event.key is not None:
            self._publisher.settle(event.key, "published")  # the echo of our own
        if message.source == "backend" and event.seq is not None:
            self._cursor = max(self._cursor, event.seq)

    def _rejected(self, message: InputRejected, now: float) -> None:
        self._history.reject(message, now)

    def _backend_opened(self, message: BackendOpened, _now: float) -> None:
        if message.instance is not None and message.instance != self._journal.get("instance"):
            self._journal.put("instance", message.instance)
            self._cursor = 0
        since = self._cursor if message.instance is not None or self._cursor else None
        self._outgoing.tell(CONNECTION, Resume(since=since, connection=message.connection))
        self._publisher.opened()

    def _backend_changed(self, message: BackendChanged, now: float) -> None:
        self._journal.put("backend", f"{message.state} {message.detail}".strip())
        if message.state != "open":
            self._publisher.closed()
            self._replay_changed(ReplayChanged(running=False), now)
        if message.state == "connecting" or (message.state == self._backend and message.state != "open"):
            return  # one more attempt that came to nothing: for those who look now, but no event
        if (message.state, message.detail, self._backend) == ("closed", "", ""):
            return  # nothing was tried yet
        self._backend = message.state
        self._history.note(now, f"backend.{message.state}", None, None, detail=message.detail)

    def _replay_changed(self, message: ReplayChanged, _now: float) -> None:
        if self._dispatch.is_replaying and not message.running:
            self._dispatch.settle_all()
        self._dispatch.is_replaying = message.running

    def _publication_refused(self, message: PublicationRefused, now: float) -> None:
        self._publisher.settle(message.key, "refused", message.reason)
        self._history.note(now, "publication.refused", None, None, key=message.key, reason=message.reason)
