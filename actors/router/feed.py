"""What the files for people should say; gathered now and then, never in the way of an event.

Never more is under way than was asked for: the work directory says where its history ends (``FeedRequest``), is sent a
page of what follows and whatever else changed, and asks again when that is written. What changes meanwhile waits in
the journal, so nothing piles up where the disk is slow, or full.
"""

from typing import Any

from actors.graph.graph import Graph
from actors.journal.history import EventHistory
from actors.journal.journal import Journal
from actors.protocol.feed import FeedPage
from actors.router.dispatch import Dispatch
from actors.router.lanes import Lanes
from actors.router.reports import Reports, result
from actors.router.reports import describe as describe_node

KNOWLEDGE = 1000
"""The newest pieces of shared knowledge that its file shows,"""
KNOWLEDGE_SIZE = 4 * 1024 * 1024
"""and how many characters of them at most, but for the oldest of these pieces."""


class Mirrors:
    """Gathers what changed since the last time."""

    def __init__(
        self,
        journal: Journal,
        lanes: Lanes,
        graph: Graph,
        dispatch: Dispatch,
        history: EventHistory,
        reports: Reports,
    ) -> None:
        self._lanes = lanes
        self._journal = journal
        self._graph = graph
        self._dispatch = dispatch
        self._history = history
        self._reports = reports
        self._at: int | None = None
        """Where the history file ends, or will end when what is under way is written; None until that is known."""
        self._is_asked = False
        self._is_page = False

    def ask(self, number: int) -> bool:
        """The history file ends with this number, and all that was sent is written; whether more of a page waits."""
        self._at, self._is_asked = number, True
        return self._is_page

    @property
    def are_wanted(self) -> bool:
        """Whether there is anything to gather, and somebody has asked for it."""
        return self._is_asked and self.are_behind

    @property
    def are_behind(self) -> bool:
        """Whether there is anything to gather."""
        return self._at is not None and bool(
            self._at < self._history.last or self._dispatch.changed or self._reports.knowledge_changed
        )

    def gather(self) -> FeedPage:
        """What changed since the last time, and a page of what the history file lacks."""
        lines, self._at = self._history.page_after(self._at or 0)
        self._is_asked, self._is_page = False, self._at < self._history.last
        changed, self._dispatch.changed = self._dispatch.changed, set()
        knowledge = None
        if self._reports.knowledge_changed:
            knowledge = self._journal.knowledge.latest(KNOWLEDGE, KNOWLEDGE_SIZE)
        self._reports.knowledge_changed = False
        return FeedPage(
            events=lines,
            last_event=self._at,
            queues={agent: self._lanes.waiting(agent) for agent in changed},
            current={agent: self._current(agent) for agent in changed},
            knowledge=knowledge,
        )

    def _current(self, agent: str) -> dict[str, Any] | None:
        lane = self._lanes.by_agent[agent]
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is None or node.is_closed:
            return None
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        return describe_node(node) | {"upstreams": [result(each) for each in upstreams if each is not None]}
