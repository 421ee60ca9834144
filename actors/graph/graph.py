"""The dependency graph: nodes, the edges between them, and the changes that follow from an event.

A plain class without threads, files or clocks. Only open nodes are kept in memory; closed ones are looked up when they
are needed, so neither memory nor the cost of an event grows with history. The order in which events arrive doesn't
matter, nor does their repetition.
"""

from collections.abc import Callable, Iterable
from typing import assert_never

from actors.graph.changes import (
    Amended,
    Change,
    Closed,
    Held,
    NotReopened,
    Released,
    Reopened,
    Resumed,
    UpstreamDone,
    Withdrawn,
)
from actors.graph.cycles import knot, shortest_cycle, waits_for
from actors.graph.node import BY_GRAPH, FINALITY, MANUAL, Hold, Node, Status
from actors.protocol.events import (
    AnyNodeEvent,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeDescribed,
    NodeUpdated,
)
from actors.protocol.node_ids import spellings

DESCRIBED = {
    "parent": "parent",
    "title": "title",
    "details": "details",
    "assignees": "assignees",
    "dependencies": "upstreams",
    "status": "told",
}
"""The fields of a description, and the node's attributes for them."""
CLOSING = {"done": Status.COMPLETED, "completed": Status.COMPLETED, "cancelled": Status.CANCELLED}
IN_PROGRESS = "in_progress"
GOING_ON = ("todo", IN_PROGRESS, "open", "pending")
"""The backend's statuses of closed nodes, and of open ones that aren't blocked."""
TOLD = ("title", "details", "dependencies")
"""The fields whose changes an agent at work is told of."""
ANSWERS = ("assignees", *TOLD)
"""The fields whose changes answer what a node was held for."""
DONE = "done"
"""The backend's status of a completed node, where it hasn't said it in words of its own."""
BLOCKED = "blocked"
"""The backend's status of a blocked node."""


class Graph:
    """Nodes and the edges between them.

    Args:
        lookup: Finds a closed node by its id, with its dependents.
        nodes: The open nodes to begin with, with their dependents, pending and broken upstreams.

    Attributes:
        open: The open nodes, by id.
        touched: The nodes that changed since ``take_touched``, by id.
        edges: The edges that changed since then: (upstream, dependent, True if it exists now).

    Example:
        >>> graph = Graph()
        >>> [change] = graph.apply(NodeCreated(entity="subtask", id="A", assignees=("coder",)), now=0.0)
        >>> change.agents  # of ``Released``: A depends on nothing, so its agent is to be given it
        ('coder',)
    """

    def __init__(
        self, lookup: Callable[[str], Node | None] = lambda _: None, nodes: Iterable[Node] = ()
    ) -> None:
        self._lookup = lookup
        self.open: dict[str, Node] = {node.id: node for node in nodes}
        self._cyclic = {node.id for node in self.open.values() if node.hold is Hold.CYCLE}
        self._held = {node.id for node in self.open.values() if node.hold in MANUAL}
        """The ids of all nodes with a manual hold, and perhaps of some that no longer have one."""
        self._cycles_changed = False
        self.touched: dict[str, Node] = {}
        self.edges: list[tuple[str, str, bool]] = []

    def get(self, node_id: str) -> Node | None:
        """Return the node with this id, written in whatever way, open or closed, or None."""
        return next(filter(None, map(self._find, spellings(node_id))), None)

    def known_id(self, node_id: str) -> str:
        """Return the id under which the node is known that may be written in another way, or will be."""
        node = self.get(node_id)
        return spellings(node_id)[0] if node is None else node.id

    def _find(self, node_id: str) -> Node | None:
        return self.open.get(node_id) or self.touched.get(node_id) or self._lookup(node_id)

    def apply(self, event: AnyNodeEvent, now: float) -> list[Change]:
        """Apply an event; return the changes that follow, in order. ``now`` is in seconds since the epoch."""
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

    def confirm(self, node_id: str, seq: int | None = None) -> None:
        """Note that the backend knows of the node's completion; ``seq`` is the number of the backend's event of it.

        From then on an active status is a later word, which reopens the node.
        """
        node = self.get(node_id)
        if node is None or node.status is not Status.COMPLETED:
            return
        if seq is not None and seq < node.revs.get("status", -1):
            return
        node.told = DONE
        if seq is not None:
            node.revs["status"] = seq
        self._touch(node)

    def start(self, node: Node, now: float) -> None:
        """Note that an agent has begun to work on the node."""
        if not node.is_closed and not (node.started and node.released):
            node.started = node.released = True
            node.times.setdefault("started", now)
            self._touch(node)

    def take_file(self, node: Node, written_at: float) -> None:
        """Note that a file of this time reported on the node, so that the same file doesn't report again."""
        node.times["reported"] = written_at
        self._touch(node)

    def hold(
        self, node: Node, hold: Hold, reason: str, *, by: str | None = None, backend_knows: bool = False
    ) -> list[Change]:
        """Hold a node that an agent, the backend or the coordinator reports as blocked or unfinished.

        A node that is closed, or held by the graph already, stays as it is.

        Args:
            node: The node.
            hold: The kind of hold.
            reason: The reason, in words for people.
            by: The agent that reported it, if one did.
            backend_knows: True if the backend itself reported it.
        """
        if node.is_closed or node.hold in BY_GRAPH or (node.hold, node.reason) == (hold, reason):
            return []
        self._set_hold(node, hold, reason)
        return [Held(node, by, backend_knows)]

    def resume(self, node: Node) -> list[Change]:
        """End a manual hold; a hold by the graph stays."""
        if node.hold not in MANUAL:
            return []
        node.hold, node.reason = None, ""
        self._touch(node)
        return [Resumed(node)]

    def held(self, agent: str) -> list[Node]:
        """Return the agent's nodes that are blocked or unfinished, sorted by id."""
        if not self._held:
            return []
        self._held = {each for each in self._held if each in self.open and self.open[each].hold in MANUAL}
        nodes = (self.open[node_id] for node_id in sorted(self._held))
        return [node for node in nodes if agent in (node.assignees or ())]

    # ------------------------------------------------------------ effects of events

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
        if node.is_closed:
            is_open = "status" in changed and event.status in GOING_ON
            return self._called_open(node, event, told, now) if is_open else []
        if "dependencies" in changed:
            self._relink(node)
        if "status" in changed and event.status in CLOSING:
            return self._close(node, CLOSING[event.status], now)
        resumed = self.resume(node) if _is_answer(node, event, changed, told) else []
        return self._change(node, changed, before, resumed) + self._evaluate(node, now)

    def _change(
        self, node: Node, changed: list[str], before: tuple[str, ...], resumed: list[Change]
    ) -> list[Change]:
        """Return what a change of an open node means for its agents; ``before`` are the old assignees."""
        changes: list[Change] = []
        if "status" in changed and _is_blocked(node) and node.hold is None:
            reason = "the backend says that it is blocked"
            changes, resumed = self.hold(node, Hold.BLOCKED, reason, backend_knows=True), []
        if node.released and "assignees" in changed:
            changes += self._reassign(node, before)
        changes += resumed  # after the new assignees, who are given it anyway
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
            if field == "parent":
                value = self.known_id(value)
            elif field == "dependencies":
                value = tuple(dict.fromkeys(map(self.known_id, value)))
            elif field == "assignees":
                value = tuple(dict.fromkeys(value))
            present = getattr(node, attribute)
            if self._is_news(node, field, present, event) and present != value:
                setattr(node, attribute, value)
                changed.append(field)
        return changed

    @staticmethod
    def _is_news(node: Node, field: str, present: object, event: NodeDescribed) -> bool:
        """Return whether the event may set the field: the latest sequence number wins.

        If the backend doesn't number its events, an update sets the field, and a (late or repeated) creation only
        fills it in.
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
        node.parent = node.parent or (event.parent and self.known_id(event.parent))
        if event.seq is not None and event.seq < node.revs.get("status", -1) and node.told in GOING_ON:
            return []  # it was reopened since
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

    def _called_open(self, node: Node, event: NodeDescribed, told: str | None, now: float) -> list[Change]:
        """Reopen a closed node if the backend calls it open after it knew of its end; ``told`` was its status before.

        If it may not have known, the event may be older than the completion, however late it arrives. So may one that
        says "in_progress" without a number: the echo of an agent's start.
        """
        is_doubtful = event.seq is None and event.status == IN_PROGRESS
        if node.status is Status.CANCELLED or (
            node.status is Status.COMPLETED and told in CLOSING and not is_doubtful
        ):
            return self._reopen(node, now)
        is_said = node.status is Status.COMPLETED and isinstance(event, NodeUpdated)
        return [NotReopened(node)] if is_said and event.status != IN_PROGRESS else []

    def _reopen(self, node: Node, now: float) -> list[Change]:
        """Reopen a node that was completed or cancelled, without its result.

        Its dependents wait for it again, except those that have started or are over themselves.
        """
        node.status, node.released, node.started = Status.OPEN, False, False
        node.summary, node.insights, node.files, node.by = "", (), (), None
        created = node.times.get("created", now)
        node.times = {"created": created, "reopened": now, "reported": now}  # older files count no longer
        self.open[node.id] = node
        self._touch(node)
        self._relink(node)
        changes: list[Change] = [Reopened(node)]
        for dependent_id in sorted(node.dependents):
            dependent = self.open.get(dependent_id)
            if dependent is not None and node.id in (dependent.upstreams or ()):
                dependent.pending.add(node.id)
                dependent.broken.pop(node.id, None)
                self._touch(dependent)
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

    # ------------------------------------------------------------ consequences for a node

    def _evaluate(self, node: Node, now: float) -> list[Change]:
        """Hold, release or withdraw the node, depending on its upstreams.

        What must hold after each event: an open node is held while it is in a cycle or an upstream was cancelled or
        deleted, released once no upstream is pending, and withdrawn if a new upstream is pending before it started.
        A node that has started stays released: its agent has it, and is only told of later upstreams.
        """
        changes: list[Change] = []
        if node.is_closed or node.status is Status.UNKNOWN:
            return changes
        hold = self._hold_by_graph(node)
        if hold is not None and hold != (node.hold, node.reason):
            self._set_hold(node, *hold)
            changes.append(Held(node))
        is_freed = hold is None and node.hold in BY_GRAPH
        if is_freed:
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
        elif is_freed and node.released:
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
        if hold in MANUAL:
            self._held.add(node.id)
        self._touch(node)

    # ------------------------------------------------------------ edges

    def _relink(self, node: Node) -> None:
        """Make the node wait for each dependency that isn't completed."""
        for upstream_id in node.upstreams or ():
            upstream = self._ensure(upstream_id)
            if node.id not in upstream.dependents:
                upstream.dependents.add(node.id)
                self.edges.append((upstream.id, node.id, True))
            if upstream.status is not Status.COMPLETED:
                node.pending.add(upstream.id)
                self._tie(node, upstream)

    def _tie(self, node: Node, upstream: Node) -> None:
        """Note that the node waits for the upstream; if that closes a cycle, mark all its members."""
        if upstream.is_closed:
            node.broken[upstream.id] = upstream.status
        elif waits_for(self.open, upstream.id, node.id):
            self._cyclic |= knot(self.open, node.id)
            self._cycles_changed = True

    def _loosen(self, node: Node) -> None:
        """Have cycles checked again if the node, which lost an edge or was closed, was in one."""
        self._cycles_changed |= node.id in self._cyclic

    def _unlink_dropped(self, node: Node, linked: tuple[str, ...]) -> None:
        """Remove the edges to dependencies that the node no longer has, be they open or closed."""
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
        """Hold the nodes in cycles, and free those that are in none any more; rare, so all of them are checked."""
        self._cycles_changed = False
        suspects = [self.open[node_id] for node_id in sorted(self._cyclic) if node_id in self.open]
        self._cyclic = {node.id for node in suspects if shortest_cycle(self.open, node.id)}
        return [change for node in suspects for change in self._evaluate(node, now)]

    # ------------------------------------------------------------ bookkeeping

    def _ensure(self, node_id: str) -> Node:
        node = self.get(node_id)
        if node is None:
            node = Node(spellings(node_id)[0])
            self.open[node.id] = node
            self._touch(node)
        return node

    def _touch(self, node: Node) -> None:
        self.touched[node.id] = node

    def take_touched(self) -> tuple[list[Node], list[tuple[str, str, bool]]]:
        """Return the nodes and edges that changed since the last call, to be saved."""
        nodes, edges = list(self.touched.values()), self.edges
        self.touched, self.edges = {}, []
        return nodes, edges


def _is_answer(node: Node, event: NodeDescribed, changed: list[str], told: str | None) -> bool:
    """Return whether the event answers what the node is held for; ``told`` was its status before.

    An active status is an answer only after "blocked": otherwise it may be the echo of an agent's start. A change of
    the assignees or the content is an answer, unless it is older than the status "blocked" and arrives late.
    """
    if "status" in changed and told == BLOCKED and event.status in GOING_ON:
        return True
    is_late = node.told == BLOCKED and event.seq is not None and event.seq < node.revs.get("status", -1)
    return not is_late and not set(ANSWERS).isdisjoint(changed)


def _is_blocked(node: Node) -> bool:
    """Return whether the backend calls the node blocked, and has answered nothing since."""
    since = node.revs.get("status", -1)
    return node.told == BLOCKED and all(node.revs.get(field, -1) <= since for field in ANSWERS)
