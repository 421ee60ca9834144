"""The router without its thread: the plain classes, put together.

A message passes through them once. A handler returns decisions, ``Workflow`` carries them out and names the agents
that they concern, and ``Dispatch`` hands over whatever can go to those. Nothing calls back up.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from actors.graph.graph import Graph
from actors.journal.history import EventHistory
from actors.journal.journal import Journal
from actors.protocol.names import CONNECTION, FEED, WORKDIR
from actors.protocol.router import RouterStarted
from actors.router.backend import Backend
from actors.router.context import ContextBuilder
from actors.router.dispatch import Dispatch
from actors.router.feed import Feed
from actors.router.handlers import Handlers, Work
from actors.router.lanes import Lanes
from actors.router.outgoing import Outgoing
from actors.router.publisher import Publisher
from actors.router.recovery import make_whole
from actors.router.reports import Reports
from actors.router.session_host import SessionHost
from actors.router.turns import ReadResult, Turns
from actors.router.unit_of_work import UnitOfWork
from actors.router.workflow import Workflow
from supervisors import AddressBook


@dataclass(frozen=True)
class RouterSettings:
    """The settings of a router.

    Attributes:
        journal: The journal's file.
        context: Composes the contexts.
        host: Creates the host of the sessions.
        read_result: Reads a subtask's result file.
        last_exported: Returns the number of the last event in the history file (0: none).
        auto_start: Start sessions as they are needed.
        queue_size: The most deliveries of an agent that are outstanding, and that wait in memory.
        agents: Returns the agents that have a prompt; None: any name may be an agent's.
    """

    journal: Path | str
    context: ContextBuilder
    host: Callable[[AddressBook], SessionHost]
    read_result: ReadResult
    last_exported: Callable[[], int] = lambda: 0
    auto_start: bool = True
    queue_size: int = 100
    agents: Callable[[], Collection[str] | None] = lambda: None


class RouterParts:
    """The plain classes behind the router, usable without any actor.

    Args:
        settings: The settings.
        clock: Returns the time, in seconds since the epoch.
        look: Look for damage in a journal that wasn't closed in order.

    Example:
        >>> parts = RouterParts(settings)
        >>> parts.start()
        >>> parts.handle(EventReceived(event=event))
        >>> parts.commit()  # then ``parts.outgoing.flush`` sends what follows
    """

    def __init__(
        self, settings: RouterSettings, clock: Callable[[], float] = time.time, *, look: bool = True
    ) -> None:
        self._clock = clock
        context = settings.context
        self.journal = journal = Journal(settings.journal, settings.last_exported, look=look)
        self.outgoing = Outgoing()
        self.graph = graph = Graph(journal.nodes.find, journal.nodes.load_open())
        self.history = EventHistory(journal)
        self.publisher = Publisher(journal, self.outgoing)
        self.lanes = lanes = Lanes(journal, graph, settings.queue_size)
        self.dispatch = Dispatch(
            lanes,
            graph,
            context,
            auto_start=settings.auto_start,
            most=settings.queue_size,
            agents=settings.agents,
        )
        self.workflow = Workflow(lanes, self.dispatch, context)
        self.reports = Reports(journal, graph, lanes, context, settings.agents)
        self._backend = Backend(journal, graph, self.publisher, context)
        turns = Turns(journal, graph, lanes, self.reports, settings.read_result)
        self._handlers = Handlers(self._backend, turns, self.reports, lanes, self.dispatch)
        self.feed = Feed(journal, self.history, graph, lanes, self.reports)
        self._take_up_loss()

    def _take_up_loss(self) -> None:
        """Note what a damaged or replaced journal has lost, and restore what can be derived."""
        loss, work = self.journal.loss, self._begin()
        if loss is not None:
            work.note(loss.kind, detail=loss.detail)
            if loss.is_partial:
                make_whole(self.journal, self.graph, self.lanes, self.dispatch, work)

    def start(self) -> None:
        """Tell the others that the router was restarted, and hand over the deliveries that can go."""
        work = self._begin()
        for name in (CONNECTION, FEED, WORKDIR):
            self.outgoing.tell(name, RouterStarted())
        self.dispatch.resume(work)
        self.dispatch.settle(self.lanes.by_agent, work)

    def handle(self, message: Work) -> None:
        """Handle a message; its effects are durable, and may be sent, after the next commit."""
        work = self._begin()
        agents = self.workflow.carry_out(self._handlers.decide(message, work), work)
        self.dispatch.settle(agents, work)
        nodes, edges = self.graph.take_touched()
        if nodes or edges:
            self.journal.nodes.save(nodes, edges)

    def commit(self) -> None:
        """Commit the events, their consequences and the backend's cursor in one transaction."""
        self._backend.save_cursor()
        self.journal.commit()

    def _begin(self) -> UnitOfWork:
        return UnitOfWork(self._clock(), self.history, self.publisher, self.outgoing)
