"""The task service: each change is one transaction, told to one listener once it is committed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from backend import creation, publishing, rules
from backend.change import Change, StoredEvent
from backend.requests import Completion, NewMessage, NewSubtask, NewTask, Patch, Publication
from backend.tables import EventRow, Item
from backend.views import Receipt, SubtaskView, TaskTree, TaskView

Listener = Callable[[Sequence[StoredEvent]], None]


class TaskService:
    """Creates, changes, completes and deletes tasks and subtasks.

    Every method is one transaction. When it is committed the listener gets its events, in order, in the
    thread that made the change; when it is refused (`BackendError`) nothing has happened at all. Changes come
    from one thread at a time: the sequence of events has one writer.

    Args:
        engine: the database.
        listener: gets the events of each change.
    """

    def __init__(self, engine: Engine, listener: Listener) -> None:
        self._engine = engine
        self._listener = listener
        with Session(engine) as session:
            self._seq = session.scalar(select(func.max(EventRow.seq))) or 0

    @property
    def last_seq(self) -> int:
        """The sequence number of the last event that is committed."""
        return self._seq

    def create_task(self, new: NewTask) -> TaskTree:
        """Creates a task with its subtasks."""
        with self._change() as change:
            task = creation.create_task(change, new)
            return _tree(change, task)

    def add_subtask(self, task_id: str, new: NewSubtask) -> SubtaskView:
        """Creates a subtask of a task."""
        with self._change() as change:
            subtask = creation.add_subtask(change, change.task(task_id), new)
            return SubtaskView.model_validate(subtask)

    def update_task(self, task_id: str, patch: Patch) -> TaskView:
        """Changes a task."""
        with self._change() as change:
            task = change.task(task_id)
            rules.update(change, task, patch)
            return TaskView.model_validate(task)

    def update_subtask(self, subtask_id: str, patch: Patch) -> SubtaskView:
        """Changes a subtask."""
        with self._change() as change:
            subtask = change.subtask(subtask_id)
            rules.update(change, subtask, patch)
            return SubtaskView.model_validate(subtask)

    def complete_task(self, task_id: str, completion: Completion) -> TaskView:
        """Completes a task that has no open subtasks; completing it again changes nothing."""
        with self._change() as change:
            task = change.task(task_id)
            rules.complete(change, task, completion)
            return TaskView.model_validate(task)

    def complete_subtask(self, subtask_id: str, completion: Completion) -> SubtaskView:
        """Completes a subtask; completing it again changes nothing."""
        with self._change() as change:
            subtask = change.subtask(subtask_id)
            rules.complete(change, subtask, completion)
            return SubtaskView.model_validate(subtask)

    def delete_task(self, task_id: str) -> None:
        """Deletes a task with its subtasks, where nothing else depends on them."""
        with self._change() as change:
            rules.delete(change, change.task(task_id))

    def delete_subtask(self, subtask_id: str) -> None:
        """Deletes a subtask, where nothing depends on it."""
        with self._change() as change:
            rules.delete(change, change.subtask(subtask_id))

    def send_message(self, agent: str, new: NewMessage) -> Receipt:
        """Sends a message to an agent: an event, and nothing else."""
        with self._change() as change:
            return Receipt(seq=rules.message(change, agent, new))

    def publish(self, publication: Publication) -> int:
        """Applies a client's event, once for each key.

        Returns:
            The sequence number of the event that it became, or that already tells the same.

        Raises:
            InvalidError: its type can't be published, or its payload is not what the type asks for.
        """
        with self._change() as change:
            return publishing.apply(change, publication)

    @contextmanager
    def _change(self) -> Iterator[Change]:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            change = Change(session, self._seq)
            yield change
        self._seq = change.seq
        if change.events:
            self._listener(change.events)


def _tree(change: Change, task: Item) -> TaskTree:
    subtasks = [SubtaskView.model_validate(each) for each in change.subtasks(task)]
    return TaskTree(**TaskView.model_validate(task).model_dump(), subtasks=subtasks)
