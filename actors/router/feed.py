"""The router's side of the feed, which serves committed events, steps and states on request, a page at a time.

A subscriber says up to where it has the events and delivery steps (``FeedRequest``), is sent the next page, and asks
again when it has written that. So at most one page is in flight for each, a slow subscriber neither piles up data nor
delays an event, and everything else waits in the journal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from actors.graph.graph import Graph
from actors.journal.history import PAGE_BYTES, EventHistory
from actors.journal.journal import PAGE, Journal
from actors.protocol.feed import FeedPage, FeedRequest
from actors.router.lanes import Lanes
from actors.router.reports import Reports, result
from actors.router.reports import describe as describe_node

KNOWLEDGE = 1000
"""The most pieces of shared knowledge in its file, the newest ones,"""
KNOWLEDGE_SIZE = 4 * 1024 * 1024
"""and the most characters of them; the piece that exceeds this is the oldest."""


@dataclass
class _Subscriber:
    """The state of a subscriber.

    Attributes:
        request: Its last request, with the numbers that it has after the page in flight.
        events: The number of the last event that it has after the page in flight. Less than it asked for if the
            journal ends before that, since it was replaced.
        steps: The same for delivery steps; None: it wants none.
        is_asking: True while it waits for a page.
        is_catching_up: True if its last page was full, and more waits.
        changed: Agents whose queue or subtask in hand changed since its last page.
        knowledge: True if shared knowledge was added since its last page.
    """

    request: FeedRequest
    events: int = 0
    steps: int | None = None
    is_asking: bool = False
    is_catching_up: bool = False
    changed: set[str] = field(default_factory=set)
    knowledge: bool = False


class Feed:
    """The subscribers, by name, with the position of each.

    Args:
        journal: Keeps the delivery steps and the knowledge.
        history: The events.
        graph: The subtasks.
        lanes: The agents; names those that changed.
        reports: Tells whether knowledge was added.
    """

    def __init__(
        self,
        journal: Journal,
        history: EventHistory,
        graph: Graph,
        lanes: Lanes,
        reports: Reports,
    ) -> None:
        self._journal = journal
        self._history = history
        self._graph = graph
        self._lanes = lanes
        self._reports = reports
        self._steps = journal.steps
        self._subscribers: dict[str, _Subscriber] = {}

    def ask(self, request: FeedRequest) -> bool:
        """Accept a request, which replaces an earlier one of the same subscriber; return whether it is catching up."""
        known = self._subscribers.get(request.subscriber)
        if known is None:
            known = self._subscribers[request.subscriber] = _Subscriber(request)
            if request.states:  # it is unknown which of them it has
                known.changed, known.knowledge = set(self._lanes.by_agent), True
        known.request, known.is_asking = request, True
        known.events = min(request.events, self._history.last)
        known.steps = None if request.steps is None else min(request.steps, self._steps.last)
        return known.is_catching_up

    @property
    def is_wanted(self) -> bool:
        """True if there is news for a subscriber that has asked."""
        self._share_changes()
        return any(each.is_asking and self._has_news(each) for each in self._subscribers.values())

    def page_for(self, name: str) -> Iterator[tuple[str, FeedPage]]:
        """Make the page of one subscriber that has asked, if there is something for it; the others go on gathering."""
        self._share_changes()
        each = self._subscribers[name]
        if each.is_asking and self._has_news(each):
            yield name, self._next_page(each)

    def pages(self, *, is_last: bool = False) -> Iterator[tuple[str, FeedPage]]:
        """Yield the name and the page of each subscriber that has asked and for which there is news.

        Args:
            is_last: True at the stop: subscribers that haven't asked get a page too.
        """
        self._share_changes()
        for name, each in self._subscribers.items():
            if (each.is_asking or is_last) and self._has_news(each):
                yield name, self._next_page(each)

    def _share_changes(self) -> None:
        changed, knowledge = self._lanes.changed, self._reports.knowledge_changed
        if not changed and not knowledge:
            return
        for each in self._subscribers.values():
            if each.request.states:
                each.changed |= changed
                each.knowledge |= knowledge
        self._lanes.changed, self._reports.knowledge_changed = set(), False

    def _has_news(self, each: _Subscriber) -> bool:
        return bool(self._is_behind(each) or each.changed or each.knowledge)

    def _is_behind(self, each: _Subscriber) -> bool:
        return each.events < self._history.last or (each.steps is not None and each.steps < self._steps.last)

    def _next_page(self, each: _Subscriber) -> FeedPage:
        request = each.request
        events, each.events = self._history.page_after(each.events)
        moves, each.steps = self._steps_after(each.steps)
        each.is_asking, each.is_catching_up = False, self._is_behind(each)
        each.request = request.model_copy(update={"events": each.events, "steps": each.steps})
        changed, each.changed = each.changed, set()
        knowledge, each.knowledge = each.knowledge, False
        return FeedPage(
            after_event=request.events,
            events=events,
            last_event=each.events,
            after_step=request.steps or 0,
            moves=moves,
            last_step=each.steps or 0,
            queues={agent: self._lanes.open_deliveries(agent) for agent in changed},
            current={agent: self._current(agent) for agent in changed},
            knowledge=(self._journal.knowledge.latest(KNOWLEDGE, KNOWLEDGE_SIZE) or None)
            if knowledge
            else None,
        )

    def _steps_after(self, number: int | None) -> tuple[tuple[bytes, ...], int | None]:
        if number is None or number == self._steps.last:
            return (), number
        rows = self._steps.after(number, PAGE, PAGE_BYTES)
        return tuple(row for _, row in rows), rows[-1][0] if rows else number

    def _current(self, agent: str) -> dict[str, Any] | None:
        lane = self._lanes.by_agent[agent]
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        if node is None or node.is_closed:
            return None
        upstreams = [self._graph.get(upstream) for upstream in node.upstreams or ()]
        return describe_node(node) | {"upstreams": [result(each) for each in upstreams if each is not None]}
