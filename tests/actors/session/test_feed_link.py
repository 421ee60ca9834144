"""Tests of reports to the feed, for which nothing waits."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.protocol.feed import AgentActive, Cost, Said, ToolReturned, ToolUsed
from actors.protocol.names import FEED
from actors.protocol.sessions import SessionState
from actors.session.feed_link import MOST_AT_ONCE, MOST_WAITING, FeedLink
from supervisors import ActorContext, System
from tests.actors.session.clock import StageClock
from tests.actors.session.stage import Stage
from tests.actors.support import DEADLINE, Record, recorder, running
from tests.contract.messages import message, say


@pytest.fixture
def record() -> Record:
    return Record()


class Busy:
    """A feed that does nothing until it may."""

    def __init__(self) -> None:
        self.is_reached = threading.Event()
        self.may_go_on = threading.Event()

    def __call__(self, _context: ActorContext, _message: object) -> None:
        """Take one more."""
        self.is_reached.set()
        assert self.may_go_on.wait(DEADLINE)


@pytest.fixture
def busy() -> Busy:
    return Busy()


@pytest.fixture
def system(record: Record, busy: Busy) -> Iterator[System]:
    with running(recorder(FEED, record, busy)) as system:
        yield system
        busy.may_go_on.set()


@pytest.fixture
def link(system: System) -> FeedLink:
    return FeedLink("coder", system.handle(FEED), StageClock())


def said(number: int) -> Said:
    return Said(text=str(number))


def test_nothing_is_told_when_there_is_nothing(link: FeedLink, record: Record, busy: Busy) -> None:
    busy.may_go_on.set()
    link.flush()
    link.add(())
    link.flush()
    link.add((said(1), said(2)))
    link.add((said(3),))
    link.flush()
    link.flush()
    told = record.wait_for(AgentActive)
    assert (told.agent, told.activities, told.dropped) == ("coder", (said(1), said(2), said(3)), 0)
    assert record.all(AgentActive) == [told]


def test_much_at_once_goes_in_several_messages_in_order(link: FeedLink, record: Record, busy: Busy) -> None:
    busy.may_go_on.set()
    link.add(tuple(said(number) for number in range(2 * MOST_AT_ONCE + 1)))
    link.flush()
    record.wait_for(AgentActive, nth=3)
    told = record.all(AgentActive)
    assert [len(each.activities) for each in told] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
    assert [each for one in told for each in one.activities] == [
        said(number) for number in range(2 * MOST_AT_ONCE + 1)
    ]


def test_what_the_feed_cannot_take_is_dropped_and_the_next_message_says_how_much(
    link: FeedLink, system: System, record: Record, busy: Busy
) -> None:
    # Given: a feed that is busy, with as much before it as may be.
    feed = system.handle(FEED)
    link.add((said(0),))
    link.flush()
    assert busy.is_reached.wait(DEADLINE)
    for number in range(1, MOST_WAITING + 2):
        link.add((said(number),))
        link.flush()
    assert feed.waiting == MOST_WAITING + 1
    # When: more is said, then it is dropped.
    for _ in range(3):
        link.add((said(-1), said(-2)))
        link.flush()
    assert feed.waiting == MOST_WAITING + 1
    # Then: once there is room again, it is said how much.
    busy.may_go_on.set()
    record.wait_for(AgentActive, nth=MOST_WAITING + 2)
    for _ in range(2):
        link.add((said(7),))
        link.flush()
    record.wait_for(AgentActive, lambda told: told.activities == (said(7),), nth=2)
    assert [each.dropped for each in record.all(AgentActive)[-2:]] == [6, 0]
    assert sum(each.dropped for each in record.all(AgentActive)[:-2]) == 0


# ---------------------------------------------------------------- in a session


def test_what_an_agent_says_and_does_is_told_with_its_cost(stage: Stage, gate: Path) -> None:
    gate.touch()
    stage.start()
    command = f"until [ -e {gate} ]; do sleep 0.05; done; echo went through"
    stage.deliver(message({"bash": command}, say("It is done.")))
    stage.wait_turn()
    stage.wait_activity(lambda each: isinstance(each, Cost))
    found = stage.activities()
    (used,) = [each for each in found if isinstance(each, ToolUsed)]
    (returned,) = [each for each in found if isinstance(each, ToolReturned)]
    assert (used.tool, used.use_id) == ("Bash", returned.use_id)
    assert str(gate) in used.input
    assert ("went through" in returned.result, returned.is_error) == (True, False)
    assert Said(text="It is done.") in found
    assert found.index(used) < found.index(returned) < found.index(Said(text="It is done."))
    assert {each.agent for each in stage.feed.all(AgentActive)} == {"coder"}


def test_an_error_of_the_api_is_told_once(scripted: Stage) -> None:
    text = "API Error: 400 nonsense"
    scripted.start(faults={"result_error": {"status": 400, "text": text}})
    scripted.deliver(message(say("in the end")))
    scripted.wait_state(SessionState.BLOCKED)
    scripted.wait_activity(lambda each: isinstance(each, Cost))
    assert [each.text for each in scripted.activities() if each.kind == "error"] == [text]
