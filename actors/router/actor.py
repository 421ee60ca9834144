"""The router: owns the dependency graph and the journal, and is the only one who writes them.

A thin actor around ``Desk``. Messages are handled in groups: one commit for up to a hundred of them, or for as
many as wait. What they lead to is said after the commit; if the router dies before it, nothing was said and
the supervisor hands the same messages to the next incarnation.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from actors.messages import ROUTER, WORKDIR, Mirror, MirrorAt
from actors.model import Model
from actors.router.context import ContextBuilder
from actors.router.desk import Desk
from actors.router.dispatch import Dispatch
from actors.router.graph import Graph
from actors.router.history import History
from actors.router.journal import Journal
from actors.router.mirrors import Mirrors
from actors.router.outgoing import Outgoing
from actors.router.publisher import Publisher
from actors.router.reports import Reports
from actors.router.turns import ReadResult, Turns
from actors.router.workflow import Workflow
from supervisors import Actor, ChildSpec, Context

log = structlog.get_logger(__name__)

MIRROR_SECONDS = 0.2
"""How long changes are gathered before the files for people are brought up to date."""


class MirrorDue(Model):
    """To itself: bring the files for people up to date."""


@dataclass(frozen=True)
class RouterSettings:
    """What the router needs to know.

    Attributes:
        journal: The journal's file.
        context: Writes the contexts.
        session: The child spec of an agent's session actor.
        read_result: Reads a subtask's result file.
        auto_start: Start sessions as they are needed.
        queue_size: How many deliveries of one agent are held in memory.
    """

    journal: Path | str
    context: ContextBuilder
    session: Callable[[str], ChildSpec]
    read_result: ReadResult
    auto_start: bool = True
    queue_size: int = 100


class RouterParts:
    """The plain classes behind the router, put together; usable without any actor."""

    def __init__(self, settings: RouterSettings, clock: Callable[[], float] = time.time) -> None:
        self.journal = journal = Journal(settings.journal)
        self.outgoing = outgoing = Outgoing()
        self.graph = graph = Graph(journal.nodes.find, journal.nodes.load_open())
        self.history = history = History(journal)
        self.publisher = publisher = Publisher(journal, outgoing)
        self.dispatch = dispatch = Dispatch(
            journal,
            graph,
            outgoing,
            context=settings.context,
            session=settings.session,
            auto_start=settings.auto_start,
            queue_size=settings.queue_size,
        )
        self.workflow = workflow = Workflow(graph, dispatch, settings.context, history, publisher)
        self.reports = reports = Reports(journal, graph, dispatch, workflow, history, outgoing)
        turns = Turns(
            journal, graph, dispatch, workflow, reports, settings.context, history, settings.read_result
        )
        self.mirrors = Mirrors(journal, graph, dispatch, history, reports)
        self.desk = Desk(
            journal, graph, dispatch, workflow, history, publisher, reports, turns, outgoing, clock
        )


class RouterActor(Actor):
    """Takes what all others tell, and tells them what follows."""

    batch_size = 500

    def __init__(self, context: Context, *, settings: RouterSettings) -> None:
        super().__init__(context)
        self._settings = settings
        self._parts: RouterParts | None = None
        self._mirror_is_due = False

    @property
    def parts(self) -> RouterParts:
        """The plain classes; there from the start to the exit."""
        if self._parts is None:
            raise RuntimeError("the router has not started")
        return self._parts

    def on_start(self) -> None:
        """Open the journal and take up what it holds."""
        self._parts = RouterParts(self._settings)
        self.parts.desk.start()
        self.on_batch()

    def on_receive(self, message: object) -> None:
        """Handle one message; see ``Desk``."""
        match message:
            case MirrorDue():
                self._mirror_is_due = False
                self._mirror()
            case MirrorAt(number=number):
                self._fill_mirror(number)
            case _:
                self.parts.desk.handle(message)

    def on_batch(self) -> None:
        """Commit, and only then say what follows."""
        self.parts.desk.commit()
        self.parts.outgoing.flush(self.context.system)
        if self.parts.mirrors.are_behind and not self._mirror_is_due:
            self._mirror_is_due = True
            self.tell_later(MIRROR_SECONDS, MirrorDue())

    def on_exit(self, reason: BaseException | None) -> None:
        """Close the journal; what wasn't committed is forgotten, and will be handled again."""
        if self._parts is None:
            return
        if reason is None and self._parts.mirrors.are_behind:
            self._mirror()
            self._parts.outgoing.flush(self.context.system)
        self._parts.journal.close()

    def _mirror(self) -> None:
        self.parts.outgoing.tell(WORKDIR, self.parts.mirrors.gather())

    def _fill_mirror(self, number: int) -> None:
        """Send a page of what the history file lacks, and see to the rest after what else waits."""
        lines = self.parts.mirrors.page_after(number)
        self.parts.outgoing.tell(WORKDIR, Mirror(history=lines))
        if self.parts.mirrors.is_filling:
            self.parts.outgoing.tell(ROUTER, MirrorAt(number=number + len(lines)))
