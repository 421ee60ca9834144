"""Tests of the rules, without any interface."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from backend.errors import (
    AlreadyDoneError,
    DependencyCycleError,
    HasDependentsError,
    IdTakenError,
    InvalidError,
    ItemCancelledError,
    OpenSubtasksError,
    UnknownDependencyError,
    UnknownSubtaskError,
    UnknownTaskError,
)
from backend.fields import Status
from backend.requests import Completion, NewMessage, NewSubtask, NewTask, Patch
from backend.service import TaskService
from backend.storage import open_database
from tests.backend.conftest import Told


def workflow(service: TaskService) -> None:
    """Create a task with three subtasks, each after the previous one."""
    service.create_task(
        NewTask(
            id="T",
            title="Build",
            project="p",
            branch="b",
            subtasks=[
                NewSubtask(id="A", title="Design", assignees=["architect-agent"]),
                NewSubtask(key="second", id="B", title="Implement", dependencies=["A"]),
                NewSubtask(id="C", title="Test", dependencies=["second"]),
            ],
        )
    )


def test_a_task_and_its_subtasks_are_created_together(service: TaskService, told: Told) -> None:
    workflow(service)
    assert told.kinds() == ["task.created"] + ["subtask.created"] * 3
    assert [event["seq"] for event in told] == [1, 2, 3, 4]
    assert told[3]["payload"] == {
        "id": "C",
        "task_id": "T",
        "title": "Test",
        "details": "",
        "assignees": [],
        "dependencies": ["B"],
        "status": "todo",
        "blocked_reason": "",
        "project": "p",
        "branch": "b",
    }
    assert set(told[0]["payload"]) == set(told[3]["payload"]) - {"task_id"}


def test_ids_are_made_where_the_client_gives_none(service: TaskService) -> None:
    first = service.create_task(NewTask(title="one"))
    second = service.create_task(NewTask(title="two", dependencies=[first.id]))
    assert second.dependencies == [first.id] != [second.id]


@pytest.mark.parametrize(
    ("task", "refusal", "fields"),
    [
        (
            NewTask(title="t", dependencies=["x"], subtasks=[NewSubtask(title="s", dependencies=["y", "A"])]),
            UnknownDependencyError,
            {"dependencies": ["x", "y"]},
        ),
        (
            NewTask(id="N", title="t", dependencies=["N"]),
            DependencyCycleError,
            {"path": ["N", "N"]},
        ),
        (
            NewTask(
                title="t",
                subtasks=[
                    NewSubtask(key="a", title="a", dependencies=["c"]),
                    NewSubtask(key="b", title="b", dependencies=["a"]),
                    NewSubtask(key="c", title="c", dependencies=["b"]),
                ],
            ),
            DependencyCycleError,
            {"path": ["a", "c", "b", "a"]},
        ),
        (
            NewTask(id="N", title="t", subtasks=[NewSubtask(id="S", title="s", dependencies=["N"])]),
            DependencyCycleError,
            {"path": ["N", "S", "N"]},
        ),
        (
            NewTask(id="T", title="t", subtasks=[NewSubtask(id="A", title="s")]),
            IdTakenError,
            {"ids": ["A", "T"]},
        ),
        (
            NewTask(title="t", subtasks=[NewSubtask(id="Z", title="s"), NewSubtask(id="Z", title="s")]),
            IdTakenError,
            {"ids": ["Z"]},
        ),
        (
            NewTask(title="t", subtasks=[NewSubtask(key="k", title="s"), NewSubtask(key="k", title="s")]),
            InvalidError,
            {"subtasks": "keys given twice: k"},
        ),
    ],
)
def test_what_can_not_be_created_leaves_nothing_behind(
    service: TaskService,
    told: Told,
    task: NewTask,
    refusal: type[Exception],
    fields: dict[str, object],
) -> None:
    workflow(service)
    with pytest.raises(refusal) as refused:
        service.create_task(task)
    assert refused.value.fields == fields  # type: ignore[attr-defined]  # all of them are BackendErrors
    assert len(told) == service.last_seq == 4
    # The next change takes the next number: nothing of the refused one was used up.
    service.create_task(NewTask(title="next"))
    assert told[-1]["seq"] == 5


def test_a_cycle_over_several_tasks_is_refused(service: TaskService) -> None:
    # Given: T waits for its subtask A, and U waits for T.
    workflow(service)
    service.create_task(NewTask(id="U", title="after", dependencies=["T"]))
    # When A, or a new subtask of T, is to wait for U, then T would wait for itself.
    with pytest.raises(DependencyCycleError) as refused:
        service.update_subtask("A", Patch(dependencies=["U"]))
    path = refused.value.fields["path"]
    assert path[:3] == ["A", "U", "T"]  # type: ignore[index]  # it is a list
    assert path[-1] == "A"  # type: ignore[index]
    with pytest.raises(DependencyCycleError):
        service.add_subtask("T", NewSubtask(title="late", dependencies=["U"]))
    # And what is no cycle is taken.
    service.update_subtask("C", Patch(dependencies=["A"]))


def test_an_update_tells_the_whole_present_state_once(service: TaskService, told: Told) -> None:
    workflow(service)
    view = service.update_subtask(
        "B", Patch(title="Code", assignees=["coding-agent"], status=Status.IN_PROGRESS)
    )
    assert told.kinds()[4:] == ["subtask.updated"]
    payload = told[-1]["payload"]
    assert (payload["title"], payload["status"], payload["dependencies"]) == ("Code", "in_progress", ["A"])
    assert (view.seq, view.updated_at) == (5, told[-1]["timestamp"])
    # The same again changes nothing and is no event.
    service.update_subtask("B", Patch(title="Code", status=Status.IN_PROGRESS))
    assert len(told) == 5


def test_a_completion_tells_what_was_found(service: TaskService, told: Told) -> None:
    workflow(service)
    completion = Completion(
        completion_summary="5 tables", insights_found=["UUIDs"], files_modified=["a.sql"], completed_by="me"
    )
    service.complete_subtask("A", completion)
    assert told[-1]["event_type"] == "subtask.completed"
    assert told[-1]["payload"] == {
        "id": "A",
        "task_id": "T",
        "title": "Design",
        "assignees": ["architect-agent"],
        "status": "done",
        "completion_summary": "5 tables",
        "insights_found": ["UUIDs"],
        "files_modified": ["a.sql"],
        "completed_by": "me",
    }


def test_completing_twice_keeps_the_first(service: TaskService, told: Told) -> None:
    workflow(service)
    first = service.complete_subtask("A", Completion(completion_summary="first"))
    again = service.complete_subtask("A", Completion(completion_summary="second"))
    assert again == first
    assert told.kinds().count("subtask.completed") == 1


def test_the_last_subtask_completes_its_task_with_what_all_of_them_left(
    service: TaskService, told: Told
) -> None:
    workflow(service)
    for name in "AB":
        service.complete_subtask(name, Completion(completion_summary=f"did {name}", insights_found=["same"]))
        assert told.kinds()[-1] == "subtask.completed"
    service.complete_subtask("C", Completion(insights_found=["other"], files_modified=["f"]))
    assert told.kinds()[-2:] == ["subtask.completed", "task.completed"]
    payload = told[-1]["payload"]
    assert (payload["id"], payload["task_id"], payload["status"]) == ("T", None, "done")
    assert payload["completion_summary"] == "Design: did A\nImplement: did B\nTest"
    assert payload["insights_found"] == ["same", "other"]
    assert payload["files_modified"] == ["f"]


def test_a_task_is_not_completed_over_open_subtasks(service: TaskService) -> None:
    workflow(service)
    service.complete_subtask("B", Completion())
    with pytest.raises(OpenSubtasksError) as refused:
        service.complete_task("T", Completion())
    assert sorted(refused.value.fields["subtasks"]) == ["A", "C"]  # type: ignore[call-overload]


def test_a_task_without_subtasks_is_completed_by_itself(service: TaskService, told: Told) -> None:
    service.create_task(NewTask(id="T", title="alone"))
    service.complete_task("T", Completion(completion_summary="done"))
    assert told.kinds() == ["task.created", "task.completed"]


def test_status_done_is_a_completion(service: TaskService, told: Told) -> None:
    workflow(service)
    service.update_subtask("A", Patch(title="New", status=Status.DONE))
    assert told.kinds()[4:] == ["subtask.updated", "subtask.completed"]
    assert told[-1]["payload"]["title"] == "New"


def test_what_is_done_is_history(service: TaskService, told: Told) -> None:
    service.create_task(NewTask(id="T", title="t", subtasks=[NewSubtask(id="A", title="a")]))
    service.complete_subtask("A", Completion())
    before = len(told)
    for refused in (
        lambda: service.update_subtask("A", Patch(dependencies=["T"])),
        lambda: service.update_subtask("A", Patch(status=Status.TODO)),
        lambda: service.update_task("T", Patch(title="other")),
        lambda: service.add_subtask("T", NewSubtask(title="late")),
    ):
        with pytest.raises(AlreadyDoneError):
            refused()
    service.update_subtask("A", Patch(title="a", status=Status.DONE))
    assert len(told) == before


def test_cancelling_a_task_cancels_what_is_open_in_it(service: TaskService, told: Told) -> None:
    workflow(service)
    service.complete_subtask("A", Completion())
    service.update_task("T", Patch(status=Status.CANCELLED))
    updated = [(e["event_type"], e["payload"]["id"], e["payload"]["status"]) for e in told[5:]]
    assert updated == [
        ("subtask.updated", "B", "cancelled"),
        ("subtask.updated", "C", "cancelled"),
        ("task.updated", "T", "cancelled"),
    ]
    for refused in (
        lambda: service.complete_subtask("B", Completion()),
        lambda: service.complete_task("T", Completion()),
        lambda: service.update_subtask("B", Patch(status=Status.TODO)),
        lambda: service.add_subtask("T", NewSubtask(title="late")),
    ):
        with pytest.raises(ItemCancelledError):
            refused()
    # Reopened from the top, work counts again.
    service.update_task("T", Patch(status=Status.TODO))
    service.update_subtask("B", Patch(status=Status.IN_PROGRESS))
    service.complete_subtask("B", Completion())
    assert told.kinds()[-1] == "task.completed"


def test_a_cancelled_or_deleted_last_subtask_lets_the_task_end(service: TaskService, told: Told) -> None:
    workflow(service)
    service.complete_subtask("A", Completion())
    service.update_subtask("B", Patch(status=Status.CANCELLED))
    assert told.kinds()[-1] == "subtask.updated"
    service.delete_subtask("C")
    assert told.kinds()[-2:] == ["subtask.deleted", "task.completed"]


def test_a_task_in_which_nothing_was_done_stays_open(service: TaskService, told: Told) -> None:
    service.create_task(NewTask(id="T", title="t", subtasks=[NewSubtask(id="A", title="a")]))
    service.update_subtask("A", Patch(status=Status.CANCELLED))
    assert told.kinds()[-1] == "subtask.updated"


def test_nothing_is_deleted_under_those_that_wait_for_it(service: TaskService, told: Told) -> None:
    workflow(service)
    service.create_task(NewTask(id="U", title="u", dependencies=["B"]))
    with pytest.raises(HasDependentsError) as refused:
        service.delete_subtask("A")
    assert refused.value.fields["dependents"] == ["B"]
    with pytest.raises(HasDependentsError) as refused:
        service.delete_task("T")
    assert refused.value.fields["dependents"] == ["U"]
    # When the outsider goes first, the rest can go with its inner dependencies.
    service.delete_task("U")
    service.delete_task("T")
    gone = [(e["event_type"], e["payload"]) for e in told[6:]]
    assert gone == [("subtask.deleted", {"id": each, "task_id": "T"}) for each in "ABC"] + [
        ("task.deleted", {"id": "T", "task_id": None})
    ]
    # Their edges are gone too: the ids can be used again.
    service.create_task(NewTask(id="A", title="a"))
    service.delete_task("A")


def test_a_message_is_an_event_and_nothing_else(service: TaskService, told: Told) -> None:
    workflow(service)
    message = NewMessage.model_validate({"message": "hello", "from": "Ann", "subtask_id": "A"})
    receipt = service.send_message("coding-agent", message)
    assert told[-1]["payload"] == {
        "agent": "coding-agent",
        "from": "Ann",
        "message": "hello",
        "subtask_id": "A",
    }
    assert receipt.seq == told[-1]["seq"]
    with pytest.raises(UnknownSubtaskError):
        service.send_message("coding-agent", NewMessage(message="hello", subtask_id="T"))


def test_a_task_is_no_subtask_and_the_other_way_round(service: TaskService) -> None:
    workflow(service)
    with pytest.raises(UnknownTaskError):
        service.update_task("A", Patch(title="x"))
    with pytest.raises(UnknownSubtaskError):
        service.complete_subtask("T", Completion())
    with pytest.raises(UnknownTaskError):
        service.add_subtask("nowhere", NewSubtask(title="x"))


def test_the_numbers_go_on_after_a_restart(tmp_path: Path, service: TaskService, told: Told) -> None:
    workflow(service)
    engine = open_database(f"sqlite:///{tmp_path / 'service.db'}")
    again = TaskService(engine, told)
    again.complete_subtask("A", Completion())
    engine.dispose()
    assert [event["seq"] for event in told] == [1, 2, 3, 4, 5]


def test_a_change_that_the_database_refuses_is_told_to_nobody(
    tmp_path: Path, service: TaskService, told: Told
) -> None:
    workflow(service)
    with sqlite3.connect(tmp_path / "service.db") as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        with pytest.raises(SQLAlchemyError, match="disk full"):
            service.complete_subtask("A", Completion())
        assert len(told) == 4
        other.execute("DROP TRIGGER full")
    other.close()
    service.complete_subtask("A", Completion())
    assert told[-1]["seq"] == 5
