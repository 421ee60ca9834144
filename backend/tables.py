"""The tables. Tasks and subtasks share one, because either may depend on either; a subtask has a parent."""

from sqlalchemy import JSON, Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backend.fields import OPEN, Status


class Base(DeclarativeBase):
    """The declarative base; lists of strings are stored as JSON."""

    type_annotation_map = {list[str]: JSON}  # noqa: RUF012 (SQLAlchemy reads it from the class)


class Item(Base):
    """A task, or a subtask if `task_id` is set. Rows are numbered in the order of their creation."""

    __tablename__ = "items"
    __table_args__ = (
        Index("items_by_parent", "task_id", "status", "number"),
        Index("items_by_project", "task_id", "project", "branch", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    task_id: Mapped[str | None] = mapped_column(default=None)
    title: Mapped[str]
    details: Mapped[str]
    assignees: Mapped[list[str]]
    dependencies: Mapped[list[str]]
    status: Mapped[str] = mapped_column(default=Status.TODO.value)
    project: Mapped[str | None]
    branch: Mapped[str | None]
    completion_summary: Mapped[str] = mapped_column(default="")
    insights_found: Mapped[list[str]] = mapped_column(default=list)
    files_modified: Mapped[list[str]] = mapped_column(default=list)
    completed_by: Mapped[str | None] = mapped_column(default=None)
    blocked_reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[str] = mapped_column(default="")
    seq: Mapped[int] = mapped_column(default=0)

    @property
    def kind(self) -> str:
        """The prefix of its events' types: `task` or `subtask`."""
        return "subtask" if self.task_id else "task"

    @property
    def is_open(self) -> bool:
        """True unless it is done or cancelled."""
        return self.status in OPEN


class Edge(Base):
    """One dependency: `item_id` waits for `depends_on`. Repeats `Item.depends_on` for lookups in both directions."""

    __tablename__ = "edges"

    item_id: Mapped[str] = mapped_column(primary_key=True)
    depends_on: Mapped[str] = mapped_column(primary_key=True, index=True)


class EventRow(Base):
    """An event as it was sent. `text` is the whole message, so a replay only reads and sends it."""

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str]
    text: Mapped[str]


class BlockedAgent(Base):
    """An agent that is blocked apart from any subtask, until it begins or completes one."""

    __tablename__ = "blocked_agents"

    agent: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]


class Meta(Base):
    """The database's metadata: its schema version and its instance id."""

    __tablename__ = "meta"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
