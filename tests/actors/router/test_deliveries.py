"""Deliveries: their recipients, contents and order."""

from pathlib import Path

import pytest

from actors.protocol.deliveries import CONTEXT_FILE, DeliveryState
from actors.protocol.sessions import SessionChanged, SessionState
from actors.router import dispatch
from actors.router.lane import MOST_DOCUMENTS
from tests.actors.router.office import Office


def test_a_subtask_without_dependencies_goes_to_its_agent_at_once(office: Office) -> None:
    # Given an agent that is up; when a subtask of its own is created
    office.up("architect-agent")
    office.create("A", "architect-agent", details="Design five tables.")
    # Then it has it, with the details
    assert office.kinds("architect-agent") == ["task_ready A"]
    assert "> Design five tables." in office.delivered()[0].text


def test_the_agent_of_a_ready_subtask_gets_a_session_and_then_the_subtask(office: Office) -> None:
    office.create("A", "architect-agent")
    assert office.started() == ["session:architect-agent"]
    assert office.delivered() == []
    office.up("architect-agent")
    assert office.kinds("architect-agent") == ["task_ready A"]


def test_without_auto_start_a_delivery_waits_until_a_session_is_started(tmp_path: Path) -> None:
    office = Office(tmp_path, auto_start=False)
    office.create("A", "architect-agent")
    assert office.started() == []
    office.up("architect-agent")
    assert office.kinds("architect-agent") == ["task_ready A"]
    office.close()


def test_a_completion_puts_the_result_into_the_dependents_session(office: Office) -> None:
    office.up("architect-agent", "coding-agent")
    office.create("A", "architect-agent")
    office.create("B", "coding-agent", "A")
    assert office.delivered("coding-agent") == []
    office.complete("A", "Schema with 5 tables", insights=("Use UUIDs",), files=("schema.sql",))
    (delivery,) = office.delivered("coding-agent")
    assert delivery.kind.value == "dependency_completed"
    for text in ("> Schema with 5 tables", "> - Use UUIDs", "> - schema.sql"):
        assert text in delivery.text


def test_five_dependents_of_one_upstream_all_get_it(office: Office) -> None:
    agents = [f"agent-{number}" for number in range(5)]
    office.up(*agents)
    office.create("A", "first")
    for agent in agents:
        office.create(f"D-{agent}", agent, "A")
    office.complete("A")
    for agent in agents:
        assert office.kinds(agent) == [f"dependency_completed D-{agent}"]


def test_a_fan_in_waits_for_all_and_holds_the_results_of_all(office: Office) -> None:
    office.up("d")
    for each in "BC":
        office.create(each, "x")
    office.create("D", "d", "B", "C")
    office.complete("B", "result of b")
    assert office.delivered("d") == []
    office.complete("C", "result of c")
    (delivery,) = office.delivered("d")
    assert "> result of b" in delivery.text
    assert "> result of c" in delivery.text


def test_a_second_subtask_waits_until_the_agent_is_idle_oldest_first(office: Office) -> None:
    office.up("coder")
    for each in ("one", "two", "three"):
        office.create(each, "coder")
    assert office.kinds("coder") == ["task_ready one"]
    # When it reports the first during its turn, the next still waits for the turn's end
    office.report("coder")
    assert office.kinds("coder") == ["task_ready one"]
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready one", "task_ready two"]
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder")[-1] == "task_ready three"


def test_a_message_reaches_a_working_agent_at_once(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.message("coder", "Mind the time zone.", sender="architect-agent")
    assert office.kinds("coder") == ["task_ready A", "message"]
    assert office.delivered("coder")[1].text.endswith("From architect-agent:\n> Mind the time zone.")


def test_a_change_of_a_waiting_subtask_is_part_of_what_its_agent_gets(office: Office) -> None:
    office.up("coder")
    office.create("one", "coder")
    office.create("two", "coder", details="old")
    office.update("two", details="new")
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready one", "task_ready two"]
    assert "> new" in office.delivered("coder")[1].text
    assert "old" not in office.delivered("coder")[1].text


def test_a_change_of_the_subtask_in_hand_is_told_at_once(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.update("A", details="Use RS256.")
    assert office.kinds("coder") == ["task_ready A", "subtask_updated A"]
    assert "> Use RS256." in office.delivered("coder")[1].text


def test_a_reassigned_subtask_leaves_the_old_agent_with_a_word(office: Office) -> None:
    office.up("old", "new")
    office.create("A", "old")
    office.update("A", assignees=("new",))
    assert office.kinds("old") == ["task_ready A", "subtask_closed A"]
    assert office.kinds("new") == ["task_ready A"]
    assert "assigned to new" in office.delivered("old")[1].text


def test_a_reassigned_subtask_that_still_waits_leaves_without_a_word(office: Office) -> None:
    office.up("old", "new")
    office.create("first", "old")
    office.create("A", "old")
    office.update("A", assignees=("new",))
    office.report("old")
    office.end_turn("old")
    assert office.kinds("old") == ["task_ready first"]
    assert office.kinds("new") == ["task_ready A"]


def test_a_subtask_that_others_complete_is_taken_from_its_agent(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.complete("A", by="somebody")
    assert office.kinds("coder") == ["task_ready A", "subtask_closed A"]


@pytest.mark.parametrize("how", ["cancelled", "deleted"])
def test_a_subtask_that_is_gone_is_taken_from_its_agent(office: Office, how: str) -> None:
    from actors.protocol.backend import EventReceived  # noqa: PLC0415
    from actors.protocol.events import NodeDeleted  # noqa: PLC0415 - one of two ways

    office.up("coder")
    office.create("A", "coder")
    if how == "cancelled":
        office.update("A", status="cancelled")
    else:
        office.tell(EventReceived(event=NodeDeleted(entity="subtask", id="A")))
    assert office.kinds("coder") == ["task_ready A", "subtask_closed A"]
    assert how in office.delivered("coder")[1].text


def test_a_dependency_added_late_is_waited_for_or_told_when_done(office: Office) -> None:
    office.up("coder")
    office.create("one", "coder")
    office.create("U", "x")
    # Given one subtask in hand and started, when it gets a dependency
    office.receive("coder", office.delivered("coder")[0], DeliveryState.STARTED)
    office.update("one", dependencies=("U",))
    assert office.kinds("coder") == ["task_ready one", "subtask_updated one"]
    assert "> Not done yet: U" in office.delivered("coder")[1].text
    # Then the agent hears of it as soon as that is done
    office.complete("U", "late news")
    assert office.kinds("coder")[-1] == "upstream_completed one"
    assert "> late news" in office.delivered("coder")[-1].text


def test_a_dependency_added_before_the_agent_had_it_takes_the_subtask_back(office: Office) -> None:
    office.up("coder")
    office.create("one", "coder")
    office.create("two", "coder")
    office.create("U", "x")
    office.update("two", dependencies=("U",))
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready one"]
    office.complete("U")
    assert office.kinds("coder") == ["task_ready one", "dependency_completed two"]


def test_two_assignees_both_get_it_and_one_finishes_it_for_both(office: Office) -> None:
    office.up("a", "b")
    office.create("A", assignees=("a", "b"))
    assert office.kinds("a") == office.kinds("b") == ["task_ready A"]
    assert office.report("a").ok
    assert office.kinds("b") == ["task_ready A", "subtask_closed A"]
    assert "completed by a" in office.delivered("b")[1].text


def test_a_task_with_assignees_is_worked_on_like_a_subtask(office: Office) -> None:
    office.up("coder")
    office.create("T", "coder", entity="task")
    assert office.kinds("coder") == ["task_ready T"]


def test_a_long_context_lies_in_a_file_that_the_agent_is_told_to_read(tmp_path: Path) -> None:
    office = Office(tmp_path, limit=2000)
    office.up("d")
    for each in "BC":
        office.create(each, "x")
    office.create("D", "d", "B", "C")
    office.complete("B", "b" * 100_000)
    office.complete("C", "short and whole")
    (delivery,) = office.delivered("d")
    assert CONTEXT_FILE in delivery.text.split("\n\n")[0]
    assert len(delivery.text.encode()) < 4000
    assert "> short and whole" in delivery.text  # the long one doesn't push the short one out
    assert "b" * 100_000 in delivery.document
    office.close()


def test_long_words_wait_in_the_journal_only_and_are_given_whole_each_time(tmp_path: Path) -> None:
    office = Office(tmp_path, limit=2000)
    for number in range(3):
        office.message("coder", f"{number} " + "x" * 100_000)
    lane = office.parts.lanes.by_agent["coder"]
    assert [each.document for each in lane.words.in_memory()] == ["", "", ""]
    office.up("coder")
    first = office.delivered("coder")
    assert [len(each.document) > 100_000 for each in first] == [True] * 3
    assert [each.document for each in lane.outstanding.values()] == ["", "", ""]
    # And a session that begins anew is given the same
    office.told.clear()
    office.up("coder")
    assert [(each.id, each.document) for each in office.delivered("coder")] == [
        (each.id, each.document) for each in first
    ]
    office.close()


def test_only_some_documents_are_on_their_way_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "UNREAD", 100)
    office = Office(tmp_path, limit=2000)
    office.up("coder")
    for number in range(20):
        office.message("coder", f"{number} " + "x" * 10_000)
    office.message("coder", "short, and behind them")
    assert len(office.delivered("coder")) == MOST_DOCUMENTS
    # Each that is written makes place for the next, in order
    for count in range(MOST_DOCUMENTS, 20):
        office.receive("coder", office.delivered("coder")[count - MOST_DOCUMENTS], DeliveryState.WRITTEN)
        assert len(office.delivered("coder")) == count + 1 + (count == 19)
    assert "short, and behind them" in office.delivered("coder")[-1].text
    office.close()


def test_deliveries_beyond_the_queue_size_wait_in_the_journal_and_none_is_lost(tmp_path: Path) -> None:
    office = Office(tmp_path, queue_size=3)
    office.create("first", "coder")
    for number in range(20):
        office.message("coder", f"word {number}")
        office.create(f"task-{number}", "coder")
    lane = office.parts.lanes.by_agent["coder"]
    assert len(lane.words.in_memory()) <= 3
    assert len(lane.assignments.in_memory()) <= 3
    office.up("coder")
    for _ in range(60):
        office.report("coder")
        office.end_turn("coder")
    kinds = office.kinds("coder")
    assert [each for each in kinds if each != "message"] == [
        f"task_ready {each}" for each in ("first", *(f"task-{number}" for number in range(20)))
    ]
    assert [each.text[-2:].strip() for each in office.delivered("coder") if each.kind.value == "message"] == [
        str(number) for number in range(20)
    ]
    office.close()


def test_a_blocked_session_is_given_nothing_more(office: Office) -> None:
    office.up("coder")
    office.tell(SessionChanged(agent="coder", state=SessionState.BLOCKED, detail="there is no prompt"))
    office.create("A", "coder")
    assert office.delivered() == []
    assert [each.event_type for each in office.published()] == []
    office.tell(SessionChanged(agent="coder", state=SessionState.READY))
    assert office.kinds("coder") == ["task_ready A"]


def test_what_a_subtask_is_called_is_decided_when_it_is_handed_over(office: Office) -> None:
    # Given a subtask that waits for its agent, when it gets a dependency that is done already
    office.up("coder")
    office.create("first", "coder")
    office.create("U", "x")
    office.complete("U", "the result")
    office.create("A", "coder")
    office.update("A", dependencies=("U",))
    office.report("coder")
    office.end_turn("coder")
    # Then it is told as what it is by then, and so says the journal
    assert office.kinds("coder") == ["task_ready first", "dependency_completed A"]
    assert "kind=dependency_completed" in office.delivered("coder")[1].text
    office.parts.commit()
    rows = office.parts.journal.execute("SELECT kind FROM deliveries WHERE subtask_id = 'A'").fetchall()
    assert rows == [("dependency_completed",)]
