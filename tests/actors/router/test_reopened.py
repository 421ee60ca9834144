"""Subtasks that were cancelled or done, and are reopened."""

from pathlib import Path

import pytest

from actors.protocol.backend import PublicationConfirmed
from actors.protocol.deliveries import DeliveryState
from actors.protocol.reports import Completion, ReportCompletion
from tests.actors.router.office import Office


def test_what_it_no_longer_depends_on_may_depend_on_it(office: Office) -> None:
    # Given a subtask that is cancelled, and then no longer depends on another
    office.create("A", "a")
    office.create("B", "b", "A")
    office.update("B", status="cancelled")
    office.update("B", dependencies=())
    # When it is to be done after all, and the other one now depends on it
    office.update("B", status="todo")
    office.update("A", dependencies=("B",))
    # Then nobody waits for himself
    assert office.node("A").hold is None
    assert office.node("A").state == "waiting"
    assert office.node("B").state == "ready"


def finish(office: Office, agent: str, subtask_id: str) -> None:
    """Have an agent complete its subtask, and the backend acknowledge that."""
    office.report(agent, f"{subtask_id} is done")
    office.end_turn(agent)
    for publication in office.published():
        office.tell(PublicationConfirmed(key=publication.key))


@pytest.fixture
def chain(office: Office) -> Office:
    """Return an office where A is done, and B, which depends on it, isn't in anybody's hands yet."""
    office.backend_opens()
    office.up("a")
    office.create("A", "a", status="todo")
    office.create("B", "b", "A")
    finish(office, "a", "A")
    return office


def test_a_done_subtask_that_is_set_to_todo_is_given_again(chain: Office) -> None:
    # Given B, which is released and waits for its agent
    assert chain.node("B").state == "ready"
    # When A is to be done again
    chain.update("A", status="todo")
    # Then its agent has it again, and B waits for it
    assert chain.kinds("a") == ["task_ready A", "task_ready A"]
    assert chain.node("A").summary == ""
    assert chain.node("B").state == "waiting"
    assert chain.history()["subtask.reopened"] == 1
    chain.up("b")
    assert chain.kinds("b") == []
    # When it is done again, B has the new result
    chain.report("a", "done better")
    assert "> > done better" in chain.delivered("b")[0].text


def test_what_is_in_progress_goes_on_and_is_told_of_the_new_result(chain: Office) -> None:
    # Given B, on which its agent works
    chain.up("b")
    chain.receive("b", chain.delivered("b")[0], DeliveryState.STARTED)
    # When A is reopened and done again
    chain.update("A", status="todo")
    assert chain.node("B").state == "working"
    finish(chain, "a", "A")
    # Then B went on all the time, and its agent has the new result
    assert chain.kinds("b") == ["dependency_completed B", "upstream_completed B"]


def test_what_was_handed_over_and_not_begun_is_taken_back(chain: Office) -> None:
    chain.up("b")
    chain.update("A", status="todo")
    assert chain.kinds("b") == ["dependency_completed B", "subtask_closed B"]
    assert chain.node("B").state == "waiting"


def test_it_survives_a_restart(tmp_path: Path) -> None:
    office = Office(tmp_path, on_disk=True)
    office.create("A", "a")
    office.create("B", "b", "A")
    office.complete("A")
    office.restart()
    office.update("A", status="todo")
    office.restart()
    assert (office.node("A").state, office.node("B").state) == ("ready", "waiting")
    office.close()


def test_a_status_that_may_be_older_than_the_completion_changes_nothing_and_that_is_said(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    # Given an agent's completion that the backend has not acknowledged
    office.up("a")
    office.create("A", "a")
    office.report("a")
    # When the backend's older status arrives
    office.update("A", status="todo")
    # Then it is done as before, and the log and the history say why
    assert office.node("A").state == "completed"
    assert office.kinds("a") == ["task_ready A"]
    assert office.history()["subtask.not_reopened"] == 1
    assert "it hasn't said or acknowledged yet that the subtask is done" in caplog.text
    # But when it has said so itself, its next word counts
    office.complete("A")
    office.update("A", status="todo")
    assert office.node("A").state == "ready"


def test_the_echo_of_a_start_reopens_nothing(office: Office) -> None:
    office.create("A", "a")
    office.complete("A")
    office.update("A", status="in_progress")
    assert office.node("A").state == "completed"
    assert office.history()["subtask.not_reopened"] == 0


def test_the_result_file_of_the_first_time_completes_nothing(office: Office) -> None:
    # Given a subtask that was reported in a file, and reopened
    office.up("a")
    office.create("A", "a")
    old = ReportCompletion(
        agent=None, way="file", completion=Completion(summary="old"), subtask_id="A", written_at=office.now
    )
    office.results["A"] = old
    office.tell(old)
    office.end_turn("a")
    office.complete("A")
    office.update("A", status="todo")
    # When the file is read again, by a new start and at the end of a turn
    office.tell(old)
    office.end_turn("a")
    assert office.node("A").state == "working"
    # Then only a new one counts
    office.tell(old.model_copy(update={"written_at": office.now + 1}))
    assert office.node("A").state == "completed"
