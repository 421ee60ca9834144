"""Queries, which run beside the writer: SQLite's readers see the last committed state and never wait."""

from collections.abc import Sequence

from sqlalchemy import Engine, Select, select
from sqlalchemy.orm import Session

from backend.change import StoredEvent
from backend.errors import UnknownSubtaskError, UnknownTaskError
from backend.fields import OPEN, Status
from backend.tables import BlockedAgent, EventRow, Item
from backend.views import (
    AgentPage,
    AgentView,
    Blocked,
    SubtaskPage,
    SubtaskView,
    TaskPage,
    TaskTree,
    TaskView,
)

PAGE_EVENTS = 500
PAGE_SIZE = 4_000_000
"""Limits of a page of the history: events, and characters (but always at least one event)."""


class Queries:
    """Reads tasks, subtasks and the history; safe to use from several threads at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def task(self, task_id: str) -> TaskTree:
        """Return a task with its subtasks, or raise `UnknownTaskError`."""
        with Session(self._engine) as session:
            task = session.scalar(select(Item).where(Item.id == task_id, Item.task_id.is_(None)))
            if task is None:
                raise UnknownTaskError(task_id)
            rows = session.scalars(select(Item).where(Item.task_id == task_id).order_by(Item.number))
            subtasks = [SubtaskView.model_validate(row) for row in rows]
            return TaskTree(**TaskView.model_validate(task).model_dump(), subtasks=subtasks)

    def subtask(self, subtask_id: str) -> SubtaskView:
        """Return a subtask, or raise `UnknownSubtaskError`."""
        with Session(self._engine) as session:
            item = session.scalar(select(Item).where(Item.id == subtask_id, Item.task_id.is_not(None)))
            if item is None:
                raise UnknownSubtaskError(subtask_id)
            return SubtaskView.model_validate(item)

    def tasks(
        self, *, status: Status | None, project: str | None, branch: str | None, limit: int, offset: int
    ) -> TaskPage:
        """Return a page of the tasks that match all filters, oldest first."""
        query = select(Item).where(Item.task_id.is_(None))
        filters = {Item.status: status, Item.project: project, Item.branch: branch}
        for column, value in filters.items():
            query = query if value is None else query.where(column == value)
        rows, following = self._page(query, limit, offset)
        return TaskPage(tasks=[TaskView.model_validate(row) for row in rows], next_offset=following)

    def subtasks(self, task_id: str, *, limit: int, offset: int) -> SubtaskPage:
        """Return a page of a task's subtasks, oldest first, or raise `UnknownTaskError`."""
        with Session(self._engine) as session:
            if session.scalar(select(Item.id).where(Item.id == task_id, Item.task_id.is_(None))) is None:
                raise UnknownTaskError(task_id)
        rows, following = self._page(select(Item).where(Item.task_id == task_id), limit, offset)
        return SubtaskPage(subtasks=[SubtaskView.model_validate(row) for row in rows], next_offset=following)

    def agents(self) -> AgentPage:
        """Return the agents that have open subtasks or are blocked, by name."""
        query = select(Item.id, Item.assignees, Item.status, Item.blocked_reason).order_by(Item.number)
        agents: dict[str, AgentView] = {}
        with Session(self._engine) as session:
            for agent, reason in session.execute(select(BlockedAgent.agent, BlockedAgent.reason)):
                _agent(agents, agent).blocked.append(Blocked(subtask_id=None, reason=reason))
            for found in session.execute(query.where(Item.task_id.is_not(None), Item.status.in_(OPEN))):
                for agent in found.assignees:
                    _add(_agent(agents, agent), *found)
        states = (each.model_copy(update={"state": _state(each)}) for _, each in sorted(agents.items()))
        return AgentPage(agents=list(states))

    def history(self, after: int, upto: int) -> list[StoredEvent]:
        """Return the next page of the events with after < seq <= upto; empty if there are none."""
        query = select(EventRow.seq, EventRow.channel, EventRow.text)
        query = query.where(EventRow.seq > after, EventRow.seq <= upto).order_by(EventRow.seq)
        page: list[StoredEvent] = []
        size = 0
        with Session(self._engine) as session:
            # Fetched row by row, so that a page of large events is limited before it is in memory.
            for row in session.execute(query.limit(PAGE_EVENTS).execution_options(yield_per=1)):
                page.append(StoredEvent(*row))
                size += len(row.text)
                if size > PAGE_SIZE:
                    break
        return page

    def _page(self, query: Select[Item], limit: int, offset: int) -> tuple[Sequence[Item], int | None]:
        with Session(self._engine) as session:
            rows = session.scalars(query.order_by(Item.number).limit(limit + 1).offset(offset)).all()
        return rows[:limit], offset + limit if len(rows) > limit else None


def _agent(agents: dict[str, AgentView], name: str) -> AgentView:
    return agents.setdefault(
        name, AgentView(agent=name, state="waiting", working_on=[], blocked=[], waiting=[])
    )


def _add(agent: AgentView, item_id: str, _assignees: list[str], status: str, reason: str) -> None:
    if status == Status.IN_PROGRESS:
        agent.working_on.append(item_id)
    elif status == Status.BLOCKED:
        agent.blocked.append(Blocked(subtask_id=item_id, reason=reason))
    else:
        agent.waiting.append(item_id)


def _state(agent: AgentView) -> str:
    if agent.working_on:
        return "working"
    return "blocked" if agent.blocked else "waiting"
