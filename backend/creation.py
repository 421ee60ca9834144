"""The rules of creation: ids are new, dependencies exist, and nothing waits for itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import uuid4

from backend.change import Change
from backend.errors import (
    AlreadyDoneError,
    DependencyCycleError,
    IdTakenError,
    InvalidError,
    ItemCancelledError,
    UnknownDependencyError,
)
from backend.fields import Status
from backend.graph import find_cycle
from backend.requests import NewSubtask, NewTask
from backend.tables import Item


def create_task(change: Change, new: NewTask) -> Item:
    """Create a task and its subtasks.

    Raises:
        InvalidError: two subtasks have one key.
        IdTakenError: an id is in use, or appears twice in the request.
        UnknownDependencyError: a dependency does not exist.
        DependencyCycleError: something would wait for itself.
    """
    task = _item(new, project=new.project, branch=new.branch)
    subtasks = [_subtask(task, each) for each in new.subtasks]
    keys = _keys(new.subtasks, subtasks)
    _plant(change, [task, *subtasks], keys)
    return task


def add_subtask(change: Change, task: Item, new: NewSubtask) -> Item:
    """Create a subtask of an existing task.

    Raises:
        AlreadyDoneError, ItemCancelledError: the task is closed.
        IdTakenError, UnknownDependencyError, DependencyCycleError: as for a task.
    """
    require_open(task)
    subtask = _subtask(task, new)
    _plant(change, [subtask], _keys([new], [subtask]))
    return subtask


def require_open(task: Item) -> None:
    """Refuse to put an open subtask into a task that is not open."""
    if task.status == Status.DONE:
        raise AlreadyDoneError(task.id)
    if task.status == Status.CANCELLED:
        raise ItemCancelledError(task.id)


def check_dependencies(change: Change, items: Sequence[Item], names: Mapping[str, str] | None = None) -> None:
    """Check the items' dependencies, whose edges have been added already.

    The walk goes from the items to those that wait for them, because few wait for a new item. It finds every
    cycle that these edges close, and never reads the long history of what the items depend on.

    Args:
        change: the transaction.
        items: the items whose dependencies are new.
        names: by id, the names that the client uses for items instead of their ids.

    Raises:
        UnknownDependencyError: names all unknown ones.
        DependencyCycleError: names the path, in which each item waits for the next.
    """
    wanted = {dependency: None for item in items for dependency in item.dependencies}
    existing = change.existing(list(wanted))
    if unknown := [each for each in wanted if each not in existing]:
        raise UnknownDependencyError(unknown)
    if path := find_cycle([item.id for item in items], change.waiting_for):
        raise DependencyCycleError([(names or {}).get(each, each) for each in reversed(path)])


def _plant(change: Change, items: Sequence[Item], keys: Mapping[str, str]) -> None:
    _require_new_ids(change, [item.id for item in items])
    for item in items:
        item.dependencies = list(dict.fromkeys(keys.get(each, each) for each in item.dependencies))
        change.add(item)
    check_dependencies(change, items, {item_id: key for key, item_id in keys.items()})
    for item in items:
        change.record_state(item, "created")


def _require_new_ids(change: Change, ids: Sequence[str]) -> None:
    twice = {each for each, count in Counter(ids).items() if count > 1}
    if taken := sorted(twice | change.existing(ids)):
        raise IdTakenError(taken)


def _keys(requests: Sequence[NewSubtask], items: Sequence[Item]) -> dict[str, str]:
    keys = [each.key for each in requests if each.key]
    if twice := sorted(key for key, count in Counter(keys).items() if count > 1):
        raise InvalidError(
            f"keys given twice: {', '.join(twice)}", subtasks=f"keys given twice: {', '.join(twice)}"
        )
    return {each.key: item.id for each, item in zip(requests, items, strict=True) if each.key}


def _subtask(task: Item, new: NewSubtask) -> Item:
    item = _item(new, project=task.project, branch=task.branch)
    item.task_id = task.id
    return item


def _item(new: NewTask | NewSubtask, *, project: str | None, branch: str | None) -> Item:
    return Item(
        id=new.id or str(uuid4()),
        title=new.title,
        details=new.details,
        assignees=new.assignees,
        dependencies=new.dependencies,
        status=Status.TODO,
        project=project,
        branch=branch,
    )
