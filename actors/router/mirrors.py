"""What the files for people should say; gathered now and then, never in the way of an event."""

from typing import Any

from actors.messages import Mirror
from actors.router.dispatch import Dispatch
from actors.router.graph import Graph
from actors.router.history import PAGE, History
from actors.router.journal import Journal
from actors.router.reports import Reports, result
from actors.router.reports import describe as describe_node

KNOWLEDGE = 1000
"""The newest pieces of shared knowledge that its file shows."""


class Mirrors:
    """Gathers what changed since the last time."""

    def __init__(
        self, journal: Journal, graph: Graph, dispatch: Dispatch, history: History, reports: Reports
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._dispatch = dispatch
        self._history = history
        self._reports = reports
        self.is_filling = True
        """Until the history file has caught up, page by page, new lines come from the journal too."""

    @property
    def are_behind(self) -> bool:
        """Whether there is anything to gather."""
        return bool(
            (self._history.has_lines and not self.is_filling)
            or self._dispatch.changed
            or self._reports.knowledge_changed
        )

    def gather(self) -> Mirror:
        """What changed."""
        lines = () if self.is_filling else self._history.take_lines()
        changed, self._dispatch.changed = self._dispatch.changed, set()
        knowledge = self._journal.knowledge.latest(KNOWLEDGE) if self._reports.knowledge_changed else None
        self._reports.knowledge_changed = False
        return Mirror(
            history=lines,
            queues={agent: self._dispatch.waiting(agent) for agent in changed},
            current={agent: self._current(agent) for agent in changed},
            knowledge=knowledge,
        )

    def page_after(self, number: int) -> tuple[bytes, ...]:
        """History lines that the file lacks."""
        self._history.take_lines()
        lines = self._history.lines_after(number)
        self.is_filling = len(lines) == PAGE
        return lines

    def _current(self, agent: str) -> dict[str, Any] | None:
        lane = self._dispatch.lanes[agent]
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is None or node.is_closed:
            return None
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        return describe_node(node) | {"upstreams": [result(each) for each in upstreams if each is not None]}
