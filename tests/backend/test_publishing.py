"""Tests of clients' own events: applied once for each key, by the same rules."""

from typing import Any

import pytest

from backend.errors import InvalidError, UnknownSubtaskError
from backend.fields import Status
from backend.requests import Completion, NewSubtask, NewTask, Patch, Publication
from backend.service import TaskService
from tests.backend.conftest import Told


@pytest.fixture(autouse=True)
def task(service: TaskService) -> None:
    subtasks = [NewSubtask(id="A", title="a"), NewSubtask(id="B", title="b")]
    service.create_task(NewTask(id="T", title="t", subtasks=subtasks))


def publish(service: TaskService, key: str, event_type: str, **payload: object) -> int:
    return service.publish(Publication(id=key, event_type=event_type, payload=payload))


def test_the_publishers_key_is_the_events_id(service: TaskService, told: Told) -> None:
    seq = publish(
        service, "k1", "subtask.completed", id="A", completion_summary="done", status="done", title="?"
    )
    assert (told[-1]["id"], told[-1]["seq"], told[-1]["event_type"]) == ("k1", seq, "subtask.completed")
    assert (told[-1]["payload"]["completion_summary"], told[-1]["payload"]["title"]) == ("done", "a")


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("subtask.completed", {"id": "A"}),
        ("subtask.updated", {"id": "A", "status": "in_progress"}),
        ("agent.message", {"agent": "x", "from": "y", "message": "hi"}),
        ("agent.blocked", {"agent": "x", "subtask_id": "A", "reason": "?"}),
    ],
)
def test_the_same_key_again_changes_nothing(
    service: TaskService, told: Told, event_type: str, payload: dict[str, Any]
) -> None:
    first = publish(service, "k", event_type, **payload)
    count = len(told)
    assert publish(service, "k", event_type, **payload) == first
    assert len(told) == count
    assert [event["seq"] for event in told if event["id"] == "k"] == [first]


def test_what_is_done_already_is_acknowledged_with_that_event(service: TaskService, told: Told) -> None:
    service.complete_subtask("A", Completion())
    count = len(told)
    assert publish(service, "k", "subtask.completed", id="A") == told[-1]["seq"]
    assert len(told) == count


def test_the_last_one_completes_the_task(service: TaskService, told: Told) -> None:
    publish(service, "k1", "subtask.completed", id="A")
    seq = publish(service, "k2", "subtask.completed", id="B")
    assert told.kinds()[-2:] == ["subtask.completed", "task.completed"]
    assert told[-2]["seq"] == seq
    assert publish(service, "k3", "task.completed", id="T") == told[-1]["seq"]


def test_an_agent_that_is_blocked_blocks_its_subtask(service: TaskService, told: Told) -> None:
    seq = publish(service, "k", "agent.blocked", agent="@coder", subtask_id="A", reason="no key")
    assert told.kinds()[-2:] == ["subtask.updated", "agent.blocked"]
    assert told[-2]["payload"]["status"] == "blocked"
    assert told[-1]["payload"] == {"agent": "coder", "subtask_id": "A", "reason": "no key"}
    assert told[-1]["seq"] == seq


@pytest.mark.parametrize(
    ("event_type", "payload", "refusal"),
    [
        ("subtask.completed", {"id": "nope"}, UnknownSubtaskError),
        ("subtask.completed", {}, InvalidError),
        ("subtask.completed", {"id": "A", "completion_summary": 7}, InvalidError),
        ("subtask.created", {"id": "A"}, InvalidError),
        ("subtask.updated", {"id": "A", "status": "fine"}, InvalidError),
        ("agent.message", {"agent": "a b", "message": "hi"}, InvalidError),
    ],
)
def test_what_can_not_be_applied_is_refused(
    service: TaskService, told: Told, event_type: str, payload: dict[str, Any], refusal: type[Exception]
) -> None:
    count = len(told)
    with pytest.raises(refusal):
        publish(service, "k", event_type, **payload)
    assert len(told) == count
    # The key is still free.
    publish(service, "k", "subtask.completed", id="A")
    assert told[-1]["id"] == "k"


@pytest.mark.parametrize("status", ["cancelled", "done"])
def test_an_agent_that_begins_reopens_nothing(service: TaskService, told: Told, status: str) -> None:
    service.update_subtask("A", Patch(status=Status(status)))
    count = len(told)
    assert publish(service, "k", "subtask.updated", id="A", status="in_progress") == told[count - 1]["seq"]
    assert len(told) == count


def test_publications_take_the_names_of_creation(service: TaskService, told: Told) -> None:
    publish(service, "k", "subtask.updated", id="B", agent="coder", depends_on=["A"])
    assert (told[-1]["payload"]["assignees"], told[-1]["payload"]["dependencies"]) == (["coder"], ["A"])
    publish(service, "l", "subtask.updated", id="B", assignees=["tester"], dependencies=[])
    assert (told[-1]["payload"]["assignees"], told[-1]["payload"]["dependencies"]) == (["tester"], [])
    publish(service, "m", "agent.message", agent="x", message="hi", **{"from": "y"})
    assert told[-1]["payload"]["from"] == "y"
