"""Messages between agents, and how words and new subtasks share an agent."""

from pathlib import Path

import pytest

from actors.protocol.deliveries import DeliveryState
from actors.protocol.reports import Answer, SendMessage, ShareKnowledge
from actors.router.courtesy import CHAIN_SECONDS, HOPS, MESSAGES, WINDOW
from actors.router.dispatch import AHEAD, UNREAD
from tests.actors.router.office import Office

STARTED, COMPLETED = DeliveryState.STARTED, DeliveryState.COMPLETED


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with two agents."""
    made = Office(tmp_path)
    made.up("coder", "tester")
    return made


def say(office: Office, sender: str, receiver: str, source: str = "agent") -> Answer:
    """Send a message."""
    return office.ask(SendMessage, agent=receiver, text="hello", sender=sender, source=source)


# ---------------------------------------------------------------- how many


def test_an_agent_may_send_so_many_messages_in_a_minute(office: Office) -> None:
    office.parts._clock = lambda: office.now  # no time passes
    # Given an agent that has sent as many as it may, to several others
    for number in range(MESSAGES):
        assert say(office, "coder", ("tester", "writer")[number % 2]).ok
    # Then one more is refused, with what to do
    answer = say(office, "coder", "tester")
    assert not answer.ok
    assert f"{MESSAGES} messages within 60 s" in answer.text
    assert "Wait 60 s, and say what is left in one message." in answer.text
    # And so is knowledge, which all agents get; nothing of it is kept
    assert not office.ask(ShareKnowledge, agent="coder", topic="t", text="x").ok
    assert office.history()["agent.message"] == MESSAGES
    assert office.history()["knowledge.shared"] == 0
    # But others, and people, may speak
    assert say(office, "tester", "coder").ok
    assert say(office, "person", "coder", "person").ok
    # And it may speak again when the time is over
    office.now += WINDOW
    assert say(office, "coder", "tester").ok


def test_two_agents_that_answer_each_other_for_ever_are_stopped(office: Office) -> None:
    pair = ["coder", "tester"]
    for number in range(HOPS):
        assert say(office, pair[number % 2], pair[1 - number % 2]).ok
        office.now += WINDOW  # slowly: it isn't the rate that stops them
    answer = say(office, "coder", "tester")
    assert not answer.ok
    assert answer.text.startswith(f"Not sent: {HOPS} messages between agents have led to each other")
    assert "report_blocked" in answer.text


def chain(office: Office) -> None:
    """Have two agents answer each other up to the limit; the next would be the coder's."""
    pair = ["coder", "tester"]
    for number in range(HOPS):
        assert say(office, pair[number % 2], pair[1 - number % 2]).ok
    assert not say(office, "coder", "tester").ok


def test_a_person_lets_them_go_on(office: Office) -> None:
    chain(office)
    say(office, "person", "coder", "person")
    assert say(office, "coder", "tester").ok


def test_a_new_subtask_lets_them_go_on(office: Office) -> None:
    chain(office)
    office.end_turn("coder")
    office.create("A", "coder")
    office.end_turn("coder")
    assert "task_ready A" in office.kinds("coder")
    assert say(office, "coder", "tester").ok


def test_time_lets_them_go_on(office: Office) -> None:
    chain(office)
    office.now += CHAIN_SECONDS
    assert say(office, "coder", "tester").ok


def test_a_round_trip_is_no_loop_for_those_who_only_ask(office: Office) -> None:
    # An agent that asks many others, and is answered by each, isn't in a chain of that length
    for number in range(HOPS):
        assert say(office, "coder", f"agent-{number}").ok
    for number in range(HOPS):
        assert say(office, f"agent-{number}", "coder").ok
    assert say(office, "coder", "tester").ok


# ---------------------------------------------------------------- fair shares


def finish_one(office: Office) -> None:
    """Have the coder read and finish the oldest delivery that it has."""
    delivery = next(iter(office.parts.lanes.by_agent["coder"].outstanding.values()))
    office.receive("coder", delivery, STARTED, COMPLETED)


def test_many_words_do_not_put_a_new_subtask_off(office: Office) -> None:
    # Given an agent that is sent 300 messages, and then a subtask
    for number in range(300):
        office.message("coder", f"word {number}")
    office.create("A", "coder")
    assert len(office.delivered("coder")) == UNREAD
    # When it reads one after the other
    turns = 0
    while "task_ready A" not in office.kinds("coder"):
        finish_one(office)
        turns += 1
    # Then the subtask comes after a fair share of them
    assert turns <= UNREAD + AHEAD
    # And the others come too, in order, while it works
    while len(office.delivered("coder")) < 301:
        finish_one(office)
    words = [each.text for each in office.delivered("coder") if each.kind == "message"]
    assert all(f"word {number}" in text for number, text in enumerate(words))


def test_each_new_subtask_has_its_turn_in_a_stream_of_words(office: Office) -> None:
    for number in range(200):
        office.message("coder", f"word {number}")
    for name in ("A", "B", "C"):
        office.create(name, "coder")
    for name in ("A", "B", "C"):
        turns = 0
        while f"task_ready {name}" not in office.kinds("coder"):
            finish_one(office)
            turns += 1
        assert turns <= UNREAD + AHEAD
        office.report("coder")


def test_words_that_claude_has_read_make_room_for_more(office: Office) -> None:
    for number in range(2 * UNREAD):
        office.message("coder", f"word {number}")
    assert len(office.delivered("coder")) == UNREAD
    office.receive("coder", office.delivered("coder")[0], STARTED)  # its turn goes on
    assert len(office.delivered("coder")) == UNREAD + 1


def test_a_subtask_that_is_held_keeps_no_words_back(office: Office) -> None:
    for number in range(100):
        office.message("coder", f"word {number}")
    office.create("A", "coder", "A")  # depends on itself
    while office.parts.lanes.by_agent["coder"].outstanding:
        finish_one(office)
    assert len(office.delivered("coder")) == 100


def test_a_few_words_go_before_a_subtask(tmp_path: Path) -> None:
    # Given words and a subtask that wait for a session
    office = Office(tmp_path)
    office.message("coder", "use MySQL")
    office.create("A", "coder")
    office.up("coder")
    # Then the words are read first
    assert office.kinds("coder") == ["message"]
    finish_one(office)
    assert office.kinds("coder") == ["message", "task_ready A"]
