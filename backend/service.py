"""The task service: each change is one transaction, passed to one listener after its commit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from backend import creation, publishing, rules
from backend.change import Change, StoredEvent
from backend.requests import Completion, NewMessage, NewSubtask, NewTask, Patch, Publication
from backend.tables import EventRow, Item
from backend.views import Deleted, Receipt, SubtaskView, TaskTree, TaskView

Listener = Callable[[Sequence[StoredEvent]], None]


class TaskService:
    """Creates, changes, completes and deletes tasks and subtasks.

    Every method is one transaction. After its commit, the listener gets its events in order, in the thread that
    made the change. A refused change (`BackendError`) has no effect. Call the methods from one thread at a time,
    because the sequence of events has one writer.

    Args:
        engine: the database.
        listener: called with the events of each change.
    """

    def __init__(self, engine: Engine, listener: Listener) -> None:
        self._engine = engine
        self._listener = listener
        with Session(engine) as session:
            self._seq = session.scalar(select(func.max(EventRow.seq))) or 0

    @property
    def last_seq(self) -> int:
        """The sequence number of the last committed event."""
        return self._seq

    def create_task(self, new: NewTask) -> TaskTree:
        """Create a task with its subtasks."""
        with self._change() as change:
            task = creation.create_task(change, new)
            return _tree(change, task)

    def add_subtask(self, task_id: str, new: NewSubtask) -> SubtaskView:
        """Create a subtask of a task."""
        with self._change() as change:
            subtask = creation.add_subtask(change, change.task(task_id), new)
            return SubtaskView.model_validate(subtask)

    def update_task(self, task_id: str, patch: Patch) -> TaskView:
        """Change a task."""
        with self._change() as change:
            task = change.task(task_id)
            rules.update(change, task, patch)
            return TaskView.model_validate(task)

    def update_subtask(self, subtask_id: str, patch: Patch) -> SubtaskView:
        """Change a subtask."""
        with self._change() as change:
            subtask = change.subtask(subtask_id)
            rules.update(change, subtask, patch)
            return SubtaskView.model_validate(subtask)

    def complete_task(self, task_id: str, completion: Completion) -> TaskView:
        """Complete a task that has no open subtasks; completing it again changes nothing."""
        with self._change() as change:
            task = change.task(task_id)
            rules.complete(change, task, completion)
            return TaskView.model_validate(task)

    def complete_subtask(self, subtask_id: str, completion: Completion) -> SubtaskView:
        """Complete a subtask; completing it again changes nothing."""
        with self._change() as change:
            subtask = change.subtask(subtask_id)
            rules.complete(change, subtask, completion)
            return SubtaskView.model_validate(subtask)

    def delete_task(self, task_id: str) -> Deleted:
        """Delete a task with its subtasks, unless something else depends on them."""
        with self._change() as change:
            return rules.delete(change, change.task(task_id))

    def delete_subtask(self, subtask_id: str) -> Deleted:
        """Delete a subtask, unless something depends on it."""
        with self._change() as change:
            return rules.delete(change, change.subtask(subtask_id))

    def send_message(self, agent: str, new: NewMessage) -> Receipt:
        """Send a message to an agent. Only an event is stored."""
        with self._change() as change:
            return Receipt(seq=rules.message(change, agent, new))

    def publish(self, publication: Publication) -> int:
        """Apply a client's event. A repeated key is applied only once.

        Returns:
            The sequence number of the resulting event, or of the existing event with the same meaning.

        Raises:
            InvalidError: its type can't be published, or its payload does not fit the type.
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
