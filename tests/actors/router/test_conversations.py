"""Conversations that are gone, spoiled, or begun anew: the subtask in hand is given again, whole."""

from pathlib import Path

import pytest

from actors.graph.node import Hold
from actors.protocol.claude import TESTED
from actors.protocol.deliveries import DeliveryState
from actors.protocol.reports import ReportBlocked, RestartSession, RetrySubtask
from actors.protocol.sessions import (
    Adopt,
    ConversationBegan,
    Deliver,
    ProgramSeen,
    Restart,
    SessionChanged,
    SessionState,
)
from tests.actors.router.office import Office

WRITTEN, STARTED, COMPLETED = DeliveryState.WRITTEN, DeliveryState.STARTED, DeliveryState.COMPLETED


def session_of(office: Office, agent: str) -> str:
    return office.parts.lanes.by_agent[agent].session_id


def begin(office: Office, agent: str) -> None:
    """Have claude begin the agent's conversation without a history."""
    office.tell(ConversationBegan(agent=agent, session_id=session_of(office, agent)))


def hand_over(office: Office) -> None:
    """Complete A, and give B, which depends on it, to the coder: its assignment is delivered."""
    office.up("architect", "coder")
    office.create("A", "architect")
    office.create("B", "coder", "A", details="Build on it.")
    office.report("architect", "Five tables")
    office.receive("coder", office.delivered("coder")[0], WRITTEN, STARTED, COMPLETED)


def spoil(office: Office, agent: str) -> None:
    detail = "the API answered 400: prompt is too long"
    office.tell(SessionChanged(agent=agent, state=SessionState.BLOCKED, detail=detail, is_spoiled=True))


def test_what_was_delivered_into_a_conversation_that_is_gone_is_given_again(durable: Office) -> None:
    hand_over(durable)
    durable.message("coder", "Use UUIDs.")
    durable.receive("coder", durable.delivered("coder")[-1], WRITTEN, STARTED, COMPLETED)
    begin(durable, "coder")
    again = durable.delivered("coder")[-1]
    assert durable.kinds("coder") == ["dependency_completed B", "message", "dependency_completed B"]
    assert all(text in again.text for text in ("> > Build on it.", "> > Five tables", "> > Use UUIDs."))
    assert durable.history()["subtask.given_again"] == 1
    # And once is enough, for the next router too
    durable.restart()
    durable.up("coder")
    durable.receive("coder", again, WRITTEN, STARTED, COMPLETED)
    durable.report("coder")
    assert len(durable.kinds("coder")) == 3


def test_a_first_conversation_and_one_that_holds_nothing_give_nothing_again(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    begin(office, "coder")
    assert office.kinds("coder") == ["task_ready A"]
    office.end_turn("coder", text="TASK_COMPLETE")
    begin(office, "coder")
    assert office.kinds("coder") == ["task_ready A"]


def test_words_before_the_subtask_and_in_its_own_conversation_are_not_given_again(office: Office) -> None:
    office.up("coder")
    office.message("coder", "before")
    office.receive("coder", office.delivered("coder")[-1], WRITTEN, STARTED, COMPLETED)
    office.create("A", "coder")
    office.receive("coder", office.delivered("coder")[-1], WRITTEN, STARTED, COMPLETED)
    begin(office, "coder")
    office.receive("coder", office.delivered("coder")[-1], WRITTEN, STARTED, COMPLETED)
    office.message("coder", "after")
    office.receive("coder", office.delivered("coder")[-1], WRITTEN, STARTED, COMPLETED)
    text = office.delivered("coder")[2].text
    assert "before" not in text
    assert "after" not in text


def test_a_blocked_subtask_is_given_again_when_it_goes_on(office: Office) -> None:
    hand_over(office)
    office.ask(ReportBlocked, agent="coder", way="gateway", reason="which database?")
    begin(office, "coder")
    assert office.kinds("coder") == ["dependency_completed B"]
    office.ask(RetrySubtask, subtask_id="B")
    assert office.kinds("coder") == ["dependency_completed B", "dependency_completed B"]


def test_a_conversation_that_the_api_refuses_is_replaced_once_for_each_subtask(durable: Office) -> None:
    hand_over(durable)
    before = session_of(durable, "coder")
    durable.told.clear()
    spoil(durable, "coder")
    # Then it leads a new one, and is given the subtask again, when its session has left the old one
    after = session_of(durable, "coder")
    assert after != before
    assert ("session:coder", Adopt(session_id=after)) in durable.told
    assert durable.node("B").hold is None
    durable.tell(SessionChanged(agent="coder", state=SessionState.STARTING))
    assert durable.kinds("coder") == ["dependency_completed B"]
    durable.receive("coder", durable.delivered("coder")[-1], WRITTEN, STARTED)
    # And where that doesn't help, a person is asked, also after a restart of the router
    durable.restart()
    durable.up("coder")
    spoil(durable, "coder")
    assert session_of(durable, "coder") == after
    assert durable.node("B").hold is Hold.BLOCKED
    assert "too long" in durable.node("B").reason


def test_deliveries_on_their_way_follow_into_the_new_conversation(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.receive("coder", office.delivered("coder")[0], WRITTEN, STARTED)
    office.told.clear()
    spoil(office, "coder")
    adopt, deliver = [message for _, message in office.told if isinstance(message, Adopt | Deliver)]
    assert isinstance(adopt, Adopt)
    assert isinstance(deliver, Deliver)
    assert deliver.delivery.subtask_id == "A"
    assert "This subtask is yours." in deliver.delivery.text


def test_a_person_restarts_an_agent_in_its_conversation_or_in_a_new_one(office: Office) -> None:
    hand_over(office)
    before = session_of(office, "coder")
    answer = office.ask(RestartSession, agent="coder")
    assert answer.ok
    assert ("session:coder", Restart()) in office.told
    assert session_of(office, "coder") == before
    answer = office.ask(RestartSession, agent="coder", new_conversation=True)
    assert answer.text == "coder is restarted in a new conversation."
    assert session_of(office, "coder") != before
    office.tell(SessionChanged(agent="coder", state=SessionState.STARTING))
    assert office.kinds("coder") == ["dependency_completed B", "dependency_completed B"]


def test_a_restart_resumes_what_was_blocked(office: Office) -> None:
    hand_over(office)
    office.ask(ReportBlocked, agent="coder", way="gateway", reason="lost")
    answer = office.ask(RestartSession, agent="coder", new_conversation=True)
    assert answer.text == "coder is restarted in a new conversation. It goes on with B."
    assert office.node("B").hold is None
    assert office.kinds("coder") == ["dependency_completed B", "dependency_completed B"]


def test_a_stranger_is_not_restarted(tmp_path: Path) -> None:
    office = Office(tmp_path, agents=lambda: {"coder"})
    assert not office.ask(RestartSession, agent="nobody").ok
    office.close()


def test_claude_s_version_is_kept_and_one_that_was_never_tested_is_warned_of_once(
    durable: Office, caplog: pytest.LogCaptureFixture
) -> None:
    durable.up("coder")
    durable.tell(ProgramSeen(agent="coder", version=TESTED))
    assert "untested" not in caplog.text
    for _ in range(2):
        durable.tell(ProgramSeen(agent="coder", version="9.9.9"))
    assert caplog.text.count("claude_version_untested") == 1
    assert durable.history()["claude.version"] == 2
    durable.restart()
    durable.tell(ProgramSeen(agent="coder", version="9.9.9"))
    assert durable.history()["claude.version"] == 2
