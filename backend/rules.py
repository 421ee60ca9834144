"""The rules of change: the allowed transitions, and their consequences.

- Done is final. A done item can be deleted; completing it again changes nothing.
- A cancelled item can be reopened, and must be before it can be completed. Cancelling a task cancels its open
  subtasks.
- A task becomes done when its last open subtask is completed (or is removed after others were completed), and
  never before.
- A completion is accepted whether or not the dependencies are done: it reports work that has happened.
- An item can't be deleted while others depend on it.
"""

from collections.abc import Iterable, Sequence

from backend.change import Change
from backend.creation import check_dependencies, require_open
from backend.errors import AlreadyDoneError, HasDependentsError, ItemCancelledError, OpenSubtasksError
from backend.fields import Status
from backend.requests import Blocked, Completion, NewMessage, Patch
from backend.tables import Item
from backend.views import AgentBlocked, AgentMessage, Completed, Deleted

NAMED = 20
"""Most ids named in an error."""

SUMMARY_LIMIT = 1_000_000
LINES_LIMIT = 10_000
"""Limits of the results that a task takes over from its subtasks: characters of summaries, insights, files."""


def complete(change: Change, item: Item, completion: Completion, *, key: str | None = None) -> int:
    """Complete a task or subtask, and a task whose last open subtask this was.

    Returns:
        The sequence number of its completion; if it was done before, of that earlier one.

    Raises:
        ItemCancelledError: it must be reopened first.
        OpenSubtasksError: it is a task with open subtasks.
    """
    if item.status == Status.DONE:
        return item.seq
    if item.status == Status.CANCELLED:
        raise ItemCancelledError(item.id)
    if still_open := change.open_subtasks(item.id, NAMED):
        raise OpenSubtasksError(item.id, still_open)
    seq = _finish(change, item, completion, key=key)
    _settle_parent(change, item)
    return seq


def update(change: Change, item: Item, patch: Patch, *, key: str | None = None) -> int:
    """Change a task or subtask. A patch that changes nothing records no event.

    Returns:
        The sequence number of the update or completion; if nothing changed, of the last event about it.

    Raises:
        AlreadyDoneError: it is done.
        ItemCancelledError: the patch would reopen it in a cancelled task.
        UnknownDependencyError, DependencyCycleError: as at creation.
        OpenSubtasksError, ItemCancelledError: as for `complete`, if the new status is done.
    """
    wanted = patch.model_dump(exclude_none=True)
    wanted = {name: value for name, value in wanted.items() if getattr(item, name) != value}
    if wanted and item.status == Status.DONE:
        raise AlreadyDoneError(item.id)
    status = wanted.pop("status", None)
    if status == Status.DONE:
        _apply(change, item, wanted, None)
        return complete(change, item, Completion(), key=key)
    return _apply(change, item, wanted, status, key=key)


def block(change: Change, blocked: Blocked, *, key: str | None = None) -> int:
    """Record that an agent is blocked, and its subtask too if that is open.

    Raises:
        UnknownSubtaskError: it names a subtask that does not exist.
    """
    if blocked.subtask_id is None:
        change.set_blocked(blocked.agent, blocked.reason)
    else:
        subtask = change.subtask(blocked.subtask_id)
        if subtask.is_open:
            update(change, subtask, Patch(status=Status.BLOCKED, blocked_reason=blocked.reason))
    return change.record("agent.blocked", AgentBlocked.model_validate(blocked), key=key)


def message(change: Change, agent: str, new: NewMessage, *, key: str | None = None) -> int:
    """Record a message to an agent. Only an event is stored.

    Raises:
        UnknownSubtaskError: it is about a subtask that does not exist.
    """
    if new.subtask_id is not None:
        change.subtask(new.subtask_id)
    payload = AgentMessage(agent=agent, sender=new.sender, message=new.message, subtask_id=new.subtask_id)
    return change.record("agent.message", payload, key=key)


def delete(change: Change, item: Item) -> Deleted:
    """Delete a task with its subtasks, or a subtask; return the payload of its event.

    Raises:
        HasDependentsError: something that would remain depends on it.
    """
    items = [*change.subtasks(item), item]
    ids = {each.id for each in items}
    if dependents := sorted(change.dependents(ids) - ids):
        raise HasDependentsError(item.id, dependents[:NAMED])
    for each in items:
        change.remove(each)
        change.record(f"{each.kind}.deleted", Deleted.model_validate(each))
    _settle_parent(change, item)
    return Deleted.model_validate(item)


def _apply(
    change: Change, item: Item, wanted: dict[str, object], status: str | None, *, key: str | None = None
) -> int:
    if not wanted and status is None:
        return item.seq
    if status is not None:
        _set_status(change, item, status)
    if "dependencies" in wanted:
        change.relink(item, wanted.pop("dependencies"))  # type: ignore[arg-type]  # from a checked Patch
        check_dependencies(change, [item])
    for name, value in wanted.items():
        setattr(item, name, value)
    _unblock(change, item)
    seq = change.record_state(item, "updated", key=key)
    if status == Status.CANCELLED:
        _settle_parent(change, item)
    return seq


def _unblock(change: Change, item: Item) -> None:
    """Forget why an item was blocked that isn't any more, and that its agents were if it is under way or done."""
    if item.status != Status.BLOCKED:
        item.blocked_reason = ""
    if item.task_id is not None and item.status in (Status.IN_PROGRESS, Status.DONE):
        change.clear_blocked(item.assignees)


def _set_status(change: Change, item: Item, status: str) -> None:
    if status == Status.CANCELLED:
        for subtask in change.subtasks(item):
            if subtask.is_open:
                subtask.status = Status.CANCELLED
                _unblock(change, subtask)
                change.record_state(subtask, "updated")
    elif item.task_id and not item.is_open:
        require_open(change.task(item.task_id))
    item.status = status


def _settle_parent(change: Change, item: Item) -> None:
    """Complete the parent task if it has no open subtask left and at least one done."""
    if item.task_id is None or change.open_subtasks(item.task_id, 1):
        return
    task = change.task(item.task_id)
    done = [each for each in change.subtasks(task) if each.status == Status.DONE]
    if done and task.is_open:
        _finish(change, task, _aggregate(done))


def _finish(change: Change, item: Item, completion: Completion, *, key: str | None = None) -> int:
    for name, value in completion:
        setattr(item, name, value)
    item.status = Status.DONE
    _unblock(change, item)
    return change.record(f"{item.kind}.completed", Completed.model_validate(item), about=item, key=key)


def _aggregate(done: Sequence[Item]) -> Completion:
    summary = "\n".join(f"{each.title}: {each.completion_summary}".rstrip(": ") for each in done)
    return Completion(
        completion_summary=summary[:SUMMARY_LIMIT],
        insights_found=_distinct(line for each in done for line in each.insights_found),
        files_modified=_distinct(line for each in done for line in each.files_modified),
    )


def _distinct(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))[:LINES_LIMIT]
