"""The dependency graph: what waits for what, and what follows from an event.

A plain class without threads, files or clocks. Only nodes that are still open are held in memory; closed
ones are looked up where they are needed, so neither memory nor the cost of an event grows with history.
The order in which events arrive doesn't matter, nor does their repetition.
"""

from collections.abc import Callable, Iterable
from typing import assert_never

from actors.graph.changes import Amended, Change, Closed, Held, Released, Resumed, UpstreamDone, Withdrawn
from actors.graph.cycles import knot, shortest_cycle, waits_for
from actors.graph.node import BY_GRAPH, FINALITY, FOR_A_PERSON, Hold, Node, Status
from actors.protocol.events import (
    AnyNodeEvent,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeDescribed,
    NodeUpdated,
)

DESCRIBED = {
    "parent": "parent",
    "title": "title",
    "details": "details",
    "assignees": "assignees",
    "dependencies": "upstreams",
    "status": "told",
}
"""The fields of a description, and where a node keeps them."""
CLOSING = {"done": Status.COMPLETED, "completed": Status.COMPLETED, "cancelled": Status.CANCELLED}
GOING_ON = ("todo", "in_progress", "open", "pending")
"""A backend's words for what is over, and for what is to be done or being done."""
TOLD = ("title", "details", "dependencies")
"""Changes that an agent at work is told of."""
ANSWERS = ("assignees", *TOLD)
"""Changes that take care of what held a node."""
BLOCKED = "blocked"
"""A backend's word for what can't go on."""


class Graph:
    """Nodes and the edges between them.

    Args:
        lookup: Finds a closed node by its id, with its dependents.
        nodes: The open nodes to begin with, with their dependents, pending and broken upstreams.
    """

    def __init__(
        self, lookup: Callable[[str], Node | None] = lambda _: None, nodes: Iterable[Node] = ()
    ) -> None:
        self._lookup = lookup
        self.open: dict[str, Node] = {node.id: node for node in nodes}
        self._cyclic = {node.id for node in self.open.values() if node.hold is Hold.CYCLE}
        self._held = {node.id for node in self.open.values() if node.hold in FOR_A_PERSON}
        """All that are held for a person, and perhaps some that no longer are."""
        self._cycles_changed = False
        self.touched: dict[str, Node] = {}
        self.edges: list[tuple[str, str, bool]] = []
        """Edges that changed: (upstream, dependent, whether it is there now)."""

    def get(self, node_id: str) -> Node | None:
        """The node with this id, open or closed."""
        return self.open.get(node_id) or self.touched.get(node_id) or self._lookup(node_id)

    def apply(self, event: AnyNodeEvent, now: float) -> list[Change]:
        """Take in an event; ``now`` is in seconds since the epoch. What follows from it, in order."""
        node = self._ensure(event.id)
        match event:
            case NodeCreated() | NodeUpdated():
                changes = self._describe(node, event, now)
            case NodeCompleted():
                changes = self._complete(node, event, now)
            case NodeDeleted():
                changes = self._close(node, Status.DELETED, now)
            case _:
                assert_never(event)
        if self._cycles_changed:
            changes += self._recheck_cycles(now)
        return changes

    def start(self, node: Node, now: float) -> None:
        """An agent has begun to work on it."""
        if not node.is_closed and not (node.started and node.released):
            node.started = node.released = True
            node.times.setdefault("started", now)
            self._touch(node)

    def hold(
        self, node: Node, hold: Hold, reason: str, *, by: str | None = None, backend_knows: bool = False
    ) -> list[Change]:
        """Hold a node that doesn't go on by itself, as an agent, the backend or the coordinator says.

        Args:
            node: The node.
            hold: Why, in a word.
            reason: Why, in words for people.
            by: The agent that says so.
            backend_knows: The backend says so itself.
        """
        if node.is_closed or node.hold in BY_GRAPH or (node.hold, node.reason) == (hold, reason):
            return []
        self._set_hold(node, hold, reason)
        return [Held(node, by, backend_knows)]

    def resume(self, node: Node) -> list[Change]:
        """Somebody took care of what held it."""
        if node.hold not in FOR_A_PERSON:
            return []
        node.hold, node.reason = None, ""
        self._touch(node)
        return [Resumed(node)]

    def held(self, agent: str) -> list[Node]:
        """The agent's nodes that are blocked or unfinished, by id."""
        if not self._held:
            return []
        self._held = {
            each for each in self._held if each in self.open and self.open[each].hold in FOR_A_PERSON
        }
        nodes = (self.open[node_id] for node_id in sorted(self._held))
        return [node for node in nodes if agent in (node.assignees or ())]

    # ------------------------------------------------------------ what an event does

    def _describe(self, node: Node, event: NodeDescribed, now: float) -> list[Change]:
        before, linked, told = node.assignees or (), node.upstreams or (), node.told
        if node.status is Status.UNKNOWN:
            node.status = Status.OPEN
            node.times["created"] = now
        node.entity = event.entity
        changed = self._merge(node, event)
        self._touch(node)
        if "dependencies" in changed:
            self._unlink_dropped(node, linked)
        if node.status is Status.CANCELLED and "status" in changed and event.status in GOING_ON:
            return self._reopen(node, now)
        if node.is_closed:
            return []
        if "dependencies" in changed:
            self._relink(node)
        if "status" in changed and event.status in CLOSING:
            return self._close(node, CLOSING[event.status], now)
        resumed = self.resume(node) if _is_answer(node, event, changed, told) else []
        return self._change(node, changed, before, resumed) + self._evaluate(node, now)

    def _change(
        self, node: Node, changed: list[str], before: tuple[str, ...], resumed: list[Change]
    ) -> list[Change]:
        """What a change of an open node means to those who have it; ``before`` were its assignees."""
        changes: list[Change] = []
        if "status" in changed and _is_blocked(node) and node.hold is None:
            reason = "the backend says that it is blocked"
            changes, resumed = self.hold(node, Hold.BLOCKED, reason, backend_knows=True), []
        if node.released and "assignees" in changed:
            changes += self._reassign(node, before)
        changes += resumed  # behind the new assignees, who are given it anyway
        amended = tuple(field for field in changed if field in TOLD)
        if node.released and amended:
            changes.append(Amended(node, amended))
        return changes

    def _merge(self, node: Node, event: NodeDescribed) -> list[str]:
        changed = []
        for field, attribute in DESCRIBED.items():
            value = getattr(event, field)
            if value is None:
                continue
            if field in ("assignees", "dependencies"):
                value = tuple(dict.fromkeys(value))
            present = getattr(node, attribute)
            if self._is_news(node, field, present, event) and present != value:
                setattr(node, attribute, value)
                changed.append(field)
        return changed

    @staticmethod
    def _is_news(node: Node, field: str, present: object, event: NodeDescribed) -> bool:
        """Whether the event may set the field: the latest sequence number wins.

        Where the backend counts nothing, an update sets it and a (late, or repeated) creation only fills it in.
        """
        if event.seq is None:
            return isinstance(event, NodeUpdated) or present is None
        if event.seq <= node.revs.get(field, -1):
            return False
        node.revs[field] = event.seq
        return True

    def _reassign(self, node: Node, before: tuple[str, ...]) -> list[Change]:
        after = node.assignees or ()
        gone = tuple(agent for agent in before if agent not in after)
        new = tuple(agent for agent in after if agent not in before)
        changes: list[Change] = []
        if gone:
            to = ", ".join(after) or "nobody"
            changes.append(Withdrawn(node, gone, f"it is assigned to {to} now"))
        if new:
            changes.append(Released(node, new))
        return changes

    def _complete(self, node: Node, event: NodeCompleted, now: float) -> list[Change]:
        node.title = node.title or event.title
        node.parent = node.parent or event.parent
        news = {"summary": event.summary, "insights": event.insights, "files": event.files, "by": event.by}
        for field, value in news.items():
            if value and not getattr(node, field):
                setattr(node, field, value)
        return self._close(node, Status.COMPLETED, now, by=event.by)

    def _close(self, node: Node, status: Status, now: float, *, by: str | None = None) -> list[Change]:
        self._touch(node)
        if FINALITY[status] <= FINALITY[node.status]:
            return []
        was_open = not node.is_closed
        node.status, node.hold, node.reason = status, None, ""
        node.times["closed"] = now
        node.pending.clear()
        node.broken.clear()
        self._loosen(node)
        self.open.pop(node.id, None)
        changes: list[Change] = [Closed(node, by)] if was_open else []
        for dependent_id in sorted(node.dependents):
            dependent = self.open.get(dependent_id)
            if dependent is not None:
                changes += self._upstream_closed(dependent, node, now)
        return changes

    def _reopen(self, node: Node, now: float) -> list[Change]:
        """It was cancelled, and is to be done after all."""
        node.status, node.released, node.started = Status.OPEN, False, False
        node.times.pop("closed", None)
        self.open[node.id] = node
        self._relink(node)
        changes: list[Change] = []
        for dependent_id in sorted(node.dependents):
            dependent = self.open.get(dependent_id)
            if dependent is not None and node.id in dependent.pending:
                dependent.broken.pop(node.id, None)
                self._tie(dependent, node)
                changes += self._evaluate(dependent, now)
        return changes + self._evaluate(node, now)

    def _upstream_closed(self, node: Node, upstream: Node, now: float) -> list[Change]:
        if upstream.id not in node.pending:
            return []
        if upstream.status is not Status.COMPLETED:
            node.broken[upstream.id] = upstream.status
            return self._evaluate(node, now)
        node.pending.discard(upstream.id)
        node.broken.pop(upstream.id, None)
        if node.released:
            return [UpstreamDone(node, upstream), *self._evaluate(node, now)]
        return self._evaluate(node, now)

    # ------------------------------------------------------------ what follows for a node

    def _evaluate(self, node: Node, now: float) -> list[Change]:
        """Hold it, release it or take it back, as its upstreams demand."""
        changes: list[Change] = []
        if node.is_closed or node.status is Status.UNKNOWN:
            return changes
        hold = self._hold_by_graph(node)
        if hold is not None and hold != (node.hold, node.reason):
            self._set_hold(node, *hold)
            changes.append(Held(node))
        is_let_go = hold is None and node.hold in BY_GRAPH
        if is_let_go:
            node.hold, node.reason = None, ""
            self._touch(node)
        if node.pending and node.released and not node.started:
            node.released = False
            self._touch(node)
            changes.append(Withdrawn(node, node.assignees or (), "it waits for something else first"))
        elif not node.pending and not node.released:
            node.released = True
            node.times["released"] = now
            self._touch(node)
            changes.append(Released(node, node.assignees or ()))
        elif is_let_go and node.released:
            changes.append(Resumed(node))
        return changes

    def _hold_by_graph(self, node: Node) -> tuple[Hold, str] | None:
        if node.id in self._cyclic:
            return Hold.CYCLE, " → ".join(shortest_cycle(self.open, node.id))
        if node.broken:
            which, status = min(node.broken.items())
            return Hold.UPSTREAM, f"{which} → {node.id}: {which} was {status.value}"
        return None

    def _set_hold(self, node: Node, hold: Hold, reason: str) -> None:
        node.hold, node.reason = hold, reason
        if hold in FOR_A_PERSON:
            self._held.add(node.id)
        self._touch(node)

    # ------------------------------------------------------------ edges

    def _relink(self, node: Node) -> None:
        """Make the node wait for all that it depends on."""
        for upstream_id in node.upstreams or ():
            upstream = self._ensure(upstream_id)
            if node.id not in upstream.dependents:
                upstream.dependents.add(node.id)
                self.edges.append((upstream_id, node.id, True))
            if upstream.status is not Status.COMPLETED:
                node.pending.add(upstream.id)
                self._tie(node, upstream)

    def _tie(self, node: Node, upstream: Node) -> None:
        """The node waits for the upstream; if that waits for the node too, all between them are caught."""
        if upstream.is_closed:
            node.broken[upstream.id] = upstream.status
        elif waits_for(self.open, upstream.id, node.id):
            self._cyclic |= knot(self.open, node.id)
            self._cycles_changed = True

    def _loosen(self, node: Node) -> None:
        """Something that the node waited for, or that waited for it, is gone."""
        self._cycles_changed |= node.id in self._cyclic

    def _unlink_dropped(self, node: Node, linked: tuple[str, ...]) -> None:
        """Take away the edges to what the node depended on and doesn't any more, be it open or closed."""
        for upstream_id in linked:
            if upstream_id not in (node.upstreams or ()):
                self._unlink(node, upstream_id)

    def _unlink(self, node: Node, upstream_id: str) -> None:
        node.pending.discard(upstream_id)
        node.broken.pop(upstream_id, None)
        self._loosen(node)
        upstream = self.get(upstream_id)
        if upstream is not None:
            upstream.dependents.discard(node.id)
        self.edges.append((upstream_id, node.id, False))

    def _recheck_cycles(self, now: float) -> list[Change]:
        """Hold what waits for itself, and let go of what no longer does; rare, so it may look at all of them."""
        self._cycles_changed = False
        looked_at = [self.open[node_id] for node_id in sorted(self._cyclic) if node_id in self.open]
        self._cyclic = {node.id for node in looked_at if shortest_cycle(self.open, node.id)}
        return [change for node in looked_at for change in self._evaluate(node, now)]

    # ------------------------------------------------------------ bookkeeping

    def _ensure(self, node_id: str) -> Node:
        node = self.get(node_id)
        if node is None:
            node = Node(node_id)
            self.open[node_id] = node
            self._touch(node)
        return node

    def _touch(self, node: Node) -> None:
        self.touched[node.id] = node

    def take_touched(self) -> tuple[list[Node], list[tuple[str, str, bool]]]:
        """The nodes and edges that changed since the last call, to be saved."""
        nodes, edges = list(self.touched.values()), self.edges
        self.touched, self.edges = {}, []
        return nodes, edges


def _is_answer(node: Node, event: NodeDescribed, changed: list[str], told: str | None) -> bool:
    """Whether the event takes care of what held the node; ``told`` was its status before.

    A status that goes on does so only after "blocked": else it may be the echo of an agent's having begun. A change of
    what is to be done does so, unless it is older than the status "blocked" and only comes late.
    """
    if "status" in changed and told == BLOCKED and event.status in GOING_ON:
        return True
    is_late = node.told == BLOCKED and event.seq is not None and event.seq < node.revs.get("status", -1)
    return not is_late and not set(ANSWERS).isdisjoint(changed)


def _is_blocked(node: Node) -> bool:
    """Whether the backend says so, and nothing that came late was changed there since."""
    since = node.revs.get("status", -1)
    return node.told == BLOCKED and all(node.revs.get(field, -1) <= since for field in ANSWERS)
