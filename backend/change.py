"""A change: one transaction, with its events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from sqlalchemy import delete, select, union_all
from sqlalchemy.orm import Session

from backend.errors import UnknownSubtaskError, UnknownTaskError
from backend.fields import OPEN
from backend.tables import BlockedAgent, Edge, EventRow, Item
from backend.views import SubtaskState, TaskState, View

CHUNK = 500
"""Most values in one query, which databases limit."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored and sent: `text` is the whole message, `channel` the channel it goes to."""

    seq: int
    channel: str
    text: str


class Change:
    """One transaction on tasks and subtasks, and the events that it records.

    Attributes:
        seq: the sequence number of the last event, including those of this change.
        events: the events of this change, in order.
    """

    def __init__(self, session: Session, seq: int) -> None:
        self.session = session
        self.seq = seq
        self.events: list[StoredEvent] = []
        self.now = datetime.now(UTC).isoformat()

    def task(self, item_id: str) -> Item:
        """Return the task of this id, or raise `UnknownTaskError`."""
        item = self.item(item_id)
        if item is None or item.task_id is not None:
            raise UnknownTaskError(item_id)
        return item

    def subtask(self, item_id: str) -> Item:
        """Return the subtask of this id, or raise `UnknownSubtaskError`."""
        item = self.item(item_id)
        if item is None or item.task_id is None:
            raise UnknownSubtaskError(item_id)
        return item

    def item(self, item_id: str) -> Item | None:
        """Return the task or subtask of this id."""
        return self.session.scalar(select(Item).where(Item.id == item_id))

    def existing(self, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that are in use."""
        return {
            found
            for chunk in _chunks(ids)
            for found in self.session.scalars(select(Item.id).where(Item.id.in_(chunk)))
        }

    def subtasks(self, task: Item) -> Sequence[Item]:
        """Return a task's subtasks, in the order of their creation."""
        return self.session.scalars(select(Item).where(Item.task_id == task.id).order_by(Item.number)).all()

    def open_subtasks(self, task_id: str, limit: int) -> Sequence[str]:
        """Return the ids of open subtasks, up to the limit; reads no more rows than that."""
        query = select(Item.id).where(Item.task_id == task_id, Item.status.in_(OPEN)).limit(limit)
        return self.session.scalars(query).all()

    def add(self, item: Item) -> None:
        """Add a new task or subtask, with its dependency edges."""
        item.created_at = self.now
        self.session.add(item)
        self._add_edges(item)

    def relink(self, item: Item, dependencies: list[str]) -> None:
        """Replace the dependencies of a task or subtask."""
        self.session.execute(delete(Edge).where(Edge.item_id == item.id))
        item.dependencies = dependencies
        self._add_edges(item)

    def remove(self, item: Item) -> None:
        """Remove a task or subtask, with its dependency edges."""
        self.session.execute(delete(Edge).where(Edge.item_id == item.id))
        self.session.delete(item)

    def waiting_for(self, item_id: str) -> Sequence[str]:
        """Return the ids of those that wait for this item: its dependents, and its parent task."""
        dependents = select(Edge.item_id).where(Edge.depends_on == item_id)
        parent = select(Item.task_id).where(Item.id == item_id, Item.task_id.is_not(None))
        return self.session.scalars(union_all(parent, dependents)).all()

    def dependents(self, ids: Iterable[str]) -> set[str]:
        """Return the ids of items that depend on any of these."""
        return {
            found
            for chunk in _chunks(list(ids))
            for found in self.session.scalars(select(Edge.item_id).where(Edge.depends_on.in_(chunk)))
        }

    def set_blocked(self, agent: str, reason: str) -> None:
        """Note that an agent is blocked apart from any subtask."""
        self.session.merge(BlockedAgent(agent=agent, reason=reason))

    def clear_blocked(self, agents: Sequence[str]) -> None:
        """Forget that these agents were blocked apart from any subtask."""
        self.session.execute(delete(BlockedAgent).where(BlockedAgent.agent.in_(agents)))

    def seq_of(self, key: str) -> int | None:
        """Return the sequence number of the event with this id; None if there is none."""
        return self.session.scalar(select(EventRow.seq).where(EventRow.id == key))

    def record_state(self, item: Item, verb: str, *, key: str | None = None) -> int:
        """Record an event with the present state of a task or subtask that was created or updated."""
        view = SubtaskState if item.task_id else TaskState
        return self.record(f"{item.kind}.{verb}", view.model_validate(item), about=item, key=key)

    def record(
        self, event_type: str, payload: View, *, about: Item | None = None, key: str | None = None
    ) -> int:
        """Record an event.

        Args:
            event_type: such as `subtask.created`.
            payload: its content.
            about: the task or subtask that gets the event's time and sequence number.
            key: the event's id, if the publisher chose one.

        Returns:
            Its sequence number.
        """
        self.seq += 1
        event_id = key or str(uuid4())
        text = self._text(event_id, event_type, payload)
        channel = f"{event_type.partition('.')[0]}s"
        self.session.add(EventRow(seq=self.seq, id=event_id, channel=channel, text=text))
        self.events.append(StoredEvent(self.seq, channel, text))
        if about is not None:
            about.seq, about.updated_at = self.seq, self.now
        return self.seq

    def _text(self, event_id: str, event_type: str, payload: View) -> str:
        body = {"id": event_id, "seq": self.seq, "event_type": event_type, "timestamp": self.now}
        return orjson.dumps(body | {"payload": payload.model_dump(by_alias=True)}).decode()

    def _add_edges(self, item: Item) -> None:
        self.session.add_all(Edge(item_id=item.id, depends_on=other) for other in item.dependencies)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
