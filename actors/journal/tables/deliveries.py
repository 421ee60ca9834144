"""The journal's tables: each a small class with the statements that it needs, and no more."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from actors.graph.node import Node, Status, from_document, to_document
from actors.journal.batching import Execute, Table
from actors.protocol.backend import InputRejected, Publish
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep
from actors.protocol.events import NodeCompleted, NodeCreated, NodeDeleted, NodeEvent, NodeUpdated

OPEN = "state NOT IN ('completed', 'dead')"
ASSIGNING = tuple(kind.value for kind in DeliveryKind if kind.assigns)


class Events(Table):
    """The history, and what was rejected."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self.last = self._last_number("events")
        self._notes = self._gather(
            "INSERT INTO events (number, at, source, kind, subject, agent, document)"
            " SELECT key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,"
            " CAST(value ->> 5 AS BLOB) FROM json_each(?)"
        )

    def add(
        self,
        *,
        at: float,
        source: str,
        kind: str,
        subject: str | None,
        agent: str | None,
        key: str | None,
        document: bytes,
    ) -> int | None:
        """Append an event; its number, or None if its key is there already."""
        number = self.last + 1
        if key is None:
            self._notes.rows[str(number)] = (at, source, kind, subject, agent, document.decode())
        else:
            cursor = self._execute(
                "INSERT INTO events VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                (number, at, source, kind, subject, agent, key, document),
            )
            if not cursor.rowcount:
                return None
        self.last = number
        return number

    def after(self, number: int, limit: int, size: int | None = None) -> list[tuple[Any, ...]]:
        """Events behind this number, oldest first: (number, at, source, kind, subject, agent, document).

        Args:
            number: The last that is known.
            limit: How many at most.
            size: How many bytes of documents; the one that exceeds them is the last.
        """
        self.flush()
        cursor = self._execute(
            "SELECT number, at, source, kind, subject, agent, document FROM events WHERE number > ?"
            " ORDER BY number LIMIT ?",
            (number, limit),
        )
        return list(_up_to(size, cursor))

    def of_lost_nodes(self) -> Iterator[tuple[float, NodeEvent]]:
        """What happened, and when, to nodes of which nothing else is known, oldest first."""
        for at, kind, document in self._execute(
            "SELECT at, kind, document FROM events WHERE source != 'coordinator' AND subject IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM nodes WHERE id = subject AND status != 'unknown') ORDER BY number"
        ):
            event = _node_event(kind, document)
            if event is not None:
                yield at, event

    def unpublished(self) -> Iterator[NodeCompleted]:
        """What was completed here, and isn't among the publications."""
        for kind, document in self._execute(
            "SELECT kind, document FROM events WHERE source NOT IN ('backend', 'coordinator') AND key IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM publications WHERE publications.key = events.key) ORDER BY number"
        ):
            event = _node_event(kind, document)
            if isinstance(event, NodeCompleted):
                yield event

    def reject(self, rejected: InputRejected, at: float) -> None:
        """Keep something that couldn't be used."""
        self._execute(
            "INSERT INTO rejected (at, origin, reason, size, raw) VALUES (?,?,?,?,?)",
            (at, rejected.origin, rejected.reason, rejected.size, rejected.raw),
        )


NODE_EVENTS: dict[str, type[NodeEvent]] = {
    "created": NodeCreated, "updated": NodeUpdated, "completed": NodeCompleted, "deleted": NodeDeleted,
}  # fmt: skip


def _node_event(kind: str, document: bytes) -> NodeEvent | None:
    """The event that was journaled so; None if it is none of a node, or can't be read."""
    found = NODE_EVENTS.get(kind.rpartition(".")[2])
    try:
        return found.model_validate_json(document) if found else None
    except ValidationError:
        return None


def _up_to(size: int | None, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows until the last columns of those that were taken exceed so many bytes (or characters)."""
    taken = 0
    for row in rows:
        yield row
        taken += len(row[-1])
        if size is not None and taken > size:
            return


class Nodes(Table):
    """The graph's nodes and edges."""

    def save(self, nodes: Iterable[Node], edges: Iterable[tuple[str, str, bool]]) -> None:
        """Write nodes and changed edges (upstream, dependent, whether it is there)."""
        for node in nodes:
            self._execute(
                "INSERT OR REPLACE INTO nodes VALUES (?,?,?)",
                (node.id, node.status.value, orjson.dumps(to_document(node))),
            )
        for upstream, dependent, there in edges:
            if there:
                self._execute("INSERT OR IGNORE INTO edges VALUES (?,?)", (upstream, dependent))
            else:
                self._execute("DELETE FROM edges WHERE upstream = ? AND dependent = ?", (upstream, dependent))

    def find(self, node_id: str) -> Node | None:
        """One node with its dependents."""
        row = self._execute("SELECT status, document FROM nodes WHERE id = ?", (node_id,)).fetchone()
        if row is None:
            return None
        node = from_document(node_id, row[0], orjson.loads(row[1]))
        node.dependents = {
            dependent
            for (dependent,) in self._execute("SELECT dependent FROM edges WHERE upstream = ?", (node_id,))
        }
        return node

    def load_open(self) -> list[Node]:
        """All nodes that are still open, with what they wait for and what waits for them."""
        rows = self._execute("SELECT id, status, document FROM nodes WHERE status IN ('unknown', 'open')")
        nodes = {row[0]: from_document(row[0], row[1], orjson.loads(row[2])) for row in rows}
        for node in list(nodes.values()):
            for upstream_id in node.upstreams or ():
                self._link(node, upstream_id, nodes)
        return list(nodes.values())

    def _link(self, node: Node, upstream_id: str, nodes: dict[str, Node]) -> None:
        row = None
        if upstream_id not in nodes:
            row = self._execute("SELECT status FROM nodes WHERE id = ?", (upstream_id,)).fetchone()
        if row is None:  # open, or lost with a damaged journal: then it is as good as unheard of
            nodes.setdefault(upstream_id, Node(upstream_id)).dependents.add(node.id)
            node.pending.add(upstream_id)
        elif row[0] != Status.COMPLETED.value:
            node.pending.add(upstream_id)
            node.broken[upstream_id] = Status(row[0])


Numbered = tuple[int, Delivery]


def _delivery(row: tuple[Any, ...]) -> Numbered:
    number, delivery_id, agent, kind, subtask_id, text, state, attempts = row
    return number, Delivery(
        id=delivery_id,
        agent=agent,
        kind=kind,
        subtask_id=subtask_id,
        text=text,
        state=state,
        attempts=attempts,
    )


DELIVERY = "number, id, agent, kind, subtask_id, text, state, attempts"


ADDED = ("number", "agent", "subtask_id", "queued_at")
MOVING = (
    "kind", "text", "state", "attempts", "receipt", "reason",
    "handed_at", "written_at", "accepted_at", "started_at", "completed_at",
)  # fmt: skip
"""What changes of a delivery while it is on its way; none of it is taken back."""
STAMPS = {state: f"{state.value}_at" for state in DeliveryState} | {
    DeliveryState.WITHDRAWN: "completed_at",
    DeliveryState.DEAD: "completed_at",
}


def _values(names: Iterable[str]) -> str:
    return ", ".join(f"value ->> '{name}'" for name in names)


def _newer(names: Iterable[str]) -> str:
    return ", ".join(f"{name} = coalesce(value ->> '{name}', {name})" for name in names)


class Deliveries(Table):
    """Contexts on their way."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._last = self._last_number("deliveries")
        columns = ADDED + MOVING
        self._added = self._gather(
            f"INSERT INTO deliveries (id, {', '.join(columns)}) SELECT key, {_values(columns)} FROM json_each(?)"  # noqa: S608 - names
        )
        self._moved = self._gather(
            f"UPDATE deliveries SET {_newer(MOVING)} FROM json_each(?) WHERE deliveries.id = key"  # noqa: S608 - names
        )

    def add(self, delivery: Delivery, at: float) -> int:
        """Queue one; its number, which is its place in the agent's order."""
        self._last += 1
        self._added.rows[delivery.id] = {
            "number": self._last,
            "agent": delivery.agent,
            "kind": delivery.kind,
            "subtask_id": delivery.subtask_id,
            "queued_at": at,
            "text": delivery.text,
            "state": DeliveryState.QUEUED,
            "attempts": 0,
        }
        return self._last

    def hand_over(self, delivery: Delivery, at: float) -> None:
        """It goes to its session, with this text; on every retry it will be the same text."""
        self._row(delivery.id).update(kind=delivery.kind.value, text=delivery.text, handed_at=at)

    def step(self, step: DeliveryStep, at: float) -> None:
        """Record one step forward."""
        row = self._row(step.delivery_id)
        row["state"] = step.state
        row[STAMPS[step.state]] = at
        if step.receipt is not None:
            row["receipt"] = step.receipt
        if step.reason is not None:
            row["reason"] = step.reason
        if step.attempts is not None:
            row["attempts"] = step.attempts

    def find_dead(self, delivery_id: str) -> Delivery | None:
        """A dead letter: one that went to a session and didn't arrive."""
        found = self._select(
            "id = ? AND state = 'dead' AND handed_at IS NOT NULL AND dropped_at IS NULL", (delivery_id,)
        )
        return found[0][1] if found else None

    def requeue(self, delivery_id: str) -> Numbered:
        """Queue a dead letter again, behind all others; that it was written before stays known."""
        self.flush()
        self._last += 1
        self._execute(
            "UPDATE deliveries SET number = ?, state = 'queued',"
            " attempts = max(attempts, 1), reason = NULL, handed_at = NULL, completed_at = NULL WHERE id = ?",
            (self._last, delivery_id),
        )
        return self._select("id = ?", (delivery_id,))[0]

    def drop(self, delivery_id: str, at: float) -> None:
        """Forget a dead letter; it stays in the journal."""
        self.flush()
        self._execute("UPDATE deliveries SET dropped_at = ? WHERE id = ?", (at, delivery_id))

    def count(self, delivery_id: str, attempts: int) -> None:
        """It was written once more."""
        self._row(delivery_id)["attempts"] = attempts

    def _row(self, delivery_id: str) -> dict[str, Any]:
        row: dict[str, Any] | None = self._added.rows.get(delivery_id)
        return self._moved.rows.setdefault(delivery_id, {}) if row is None else row

    def handed(self, agent: str) -> list[Numbered]:
        """What was given to the agent's session and isn't over, in order."""
        return self._select(f"agent = ? AND {OPEN} AND handed_at IS NOT NULL ORDER BY number", (agent,))

    def waiting(self, agent: str, *, assigning: bool, after: int, limit: int) -> list[Numbered]:
        """What waits behind this number, in order: new subtasks, or all the rest."""
        which = "IN" if assigning else "NOT IN"
        return self._select(
            f"agent = ? AND number > ? AND {OPEN} AND handed_at IS NULL"
            f" AND kind {which} {ASSIGNING} ORDER BY number LIMIT ?",
            (agent, after, limit),
        )

    def of_subtask(self, subtask_id: str, agent: str) -> list[Numbered]:
        """What waits for this agent about this subtask."""
        return self._select(
            f"subtask_id = ? AND agent = ? AND {OPEN} AND handed_at IS NULL ORDER BY number",
            (subtask_id, agent),
        )

    def agents(self) -> list[str]:
        """The agents that something is on its way to."""
        self.flush()
        rows = self._execute(f"SELECT DISTINCT agent FROM deliveries WHERE {OPEN} ORDER BY agent")  # noqa: S608
        return [agent for (agent,) in rows]

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Numbered]:
        self.flush()
        cursor = self._execute(f"SELECT {DELIVERY} FROM deliveries WHERE {where}", values)  # noqa: S608
        return [_delivery(row) for row in cursor]


class Outbox(Table):
    """Our own events on their way to the backend."""

    def add(self, publication: Publish) -> int:
        """Queue one."""
        cursor = self._execute(
            "INSERT OR IGNORE INTO publications (key, event_type, payload, state) VALUES (?,?,?,'waiting')",
            (publication.key, publication.event_type, orjson.dumps(publication.payload)),
        )
        return int(cursor.lastrowid or 0)

    def waiting(self, limit: int, after: int = 0) -> list[tuple[int, Publish]]:
        """The oldest that the backend doesn't have yet."""
        rows = self._execute(
            "SELECT number, key, event_type, payload FROM publications"
            " WHERE state = 'waiting' AND number > ? ORDER BY number LIMIT ?",
            (after, limit),
        )
        return [
            (row[0], Publish(key=row[1], event_type=row[2], payload=orjson.loads(row[3]))) for row in rows
        ]

    def settle(self, key: str, state: str, reason: str | None = None) -> None:
        """``published`` or ``refused``."""
        self._execute(
            "UPDATE publications SET state = ?, reason = ? WHERE key = ? AND state = 'waiting'",
            (state, reason, key),
        )


class Agents(Table):
    """The agents, their conversations, and what they have in hand."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._hands = self._gather(
            "UPDATE agents SET in_hand = value ->> 0, reminders = value ->> 1 FROM json_each(?) WHERE agent = key"
        )
        self._states = self._gather(
            "UPDATE agents SET state = value ->> 0, detail = value ->> 1, pid = value ->> 2, since = value ->> 3"
            " FROM json_each(?) WHERE agent = key"
        )
        self._costs = self._gather("UPDATE agents SET cost_usd = value FROM json_each(?) WHERE agent = key")

    def load(self) -> Iterator[tuple[Any, ...]]:
        """(agent, session_id, state, in_hand, reminders) of each."""
        self.flush()
        yield from self._execute("SELECT agent, session_id, state, in_hand, reminders FROM agents").fetchall()

    def add(self, agent: str, session_id: str, at: float) -> None:
        """An agent that is heard of for the first time, with the conversation that it will lead."""
        self._execute(
            "INSERT INTO agents (agent, session_id, state, since) VALUES (?,?,'stopped',?)",
            (agent, session_id, at),
        )

    def set_hand(self, agent: str, in_hand: str | None, reminders: int) -> None:
        """What it works on, and how many reminders of it came to nothing."""
        self._hands.rows[agent] = (in_hand, reminders)

    def set_state(self, agent: str, state: str, detail: str, pid: int | None, at: float) -> None:
        """What its session is doing."""
        self._states.rows[agent] = (state, detail, pid, at)

    def set_cost(self, agent: str, cost_usd: float) -> None:
        """What its session reckons that it has cost."""
        self._costs.rows[agent] = cost_usd


class Knowledge(Table):
    """What agents share with all others."""

    def add(self, agent: str, topic: str, text: str, at: float) -> None:
        """Keep a piece of it."""
        self._execute(
            "INSERT INTO knowledge (at, agent, topic, text) VALUES (?,?,?,?)", (at, agent, topic, text)
        )

    def latest(self, limit: int, size: int) -> list[dict[str, Any]]:
        """The newest pieces, oldest first: so many at most, and no more once their texts exceed ``size`` characters."""
        cursor = self._execute(
            "SELECT at, agent, topic, text FROM knowledge ORDER BY number DESC LIMIT ?", (limit,)
        )
        rows = list(_up_to(size, cursor))
        return [dict(zip(("at", "agent", "topic", "text"), row, strict=True)) for row in reversed(rows)]
