"""The contract of the router's feed with any subscriber: each fact once, in order, in bounded pages."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.journal.history import PAGE_BYTES
from actors.journal.journal import PAGE
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState
from actors.protocol.feed import FeedPage, FeedRequest
from actors.router.feed import Feed
from actors.router.lanes import BEGINNING, LISTED
from tests.actors.router.office import Office


class Subscriber:
    """A subscriber that follows the contract, and may crash at any time."""

    def __init__(self, name: str, *, steps: bool, states: bool) -> None:
        self.name, self.states = name, states
        self.events: list[bytes] = []
        self.moves: list[bytes] = []
        self.place: tuple[int, int | None] = (0, 0 if steps else None)
        self.mailbox: list[FeedPage] = []
        self.agents: set[str] = set()

    def request(self) -> FeedRequest:
        """Return a request for the next page."""
        events, steps = self.place
        return FeedRequest(subscriber=self.name, events=events, steps=steps, states=self.states)

    def take(self) -> bool:
        """Handle the oldest page; return whether it was the next one."""
        page = self.mailbox.pop(0)
        self.agents |= page.queues.keys()
        events, steps = self.place
        if (page.after_event, page.after_step) != (events, steps or 0):
            return False
        assert len(page.events) <= PAGE
        assert sum(map(len, page.events[:-1])) <= PAGE_BYTES
        self.events += page.events
        self.moves += page.moves
        self.place = page.last_event, None if steps is None else page.last_step
        return True


class Stage:
    """A router's feed, and any number of subscribers.

    Attributes:
        moved: How many delivery steps there were.
        requests: Those that are on their way to the router.
    """

    def __init__(self, office: Office) -> None:
        self.office, self.moved = office, 0
        self.requests: list[FeedRequest] = []
        self.subscribers: list[Subscriber] = []
        self.restart()

    def restart(self) -> None:
        """Start a new router, which knows no subscriber; all of them ask again."""
        parts = self.office.parts
        self.feed = Feed(parts.journal, parts.history, parts.graph, parts.lanes, parts.reports)
        self.requests.clear()
        for each in self.subscribers:
            self.ask(each)

    def join(self, name: str, *, steps: bool = True, states: bool = False) -> Subscriber:
        """Add a subscriber."""
        made = Subscriber(name, steps=steps, states=states)
        self.subscribers.append(made)
        self.ask(made)
        return made

    def ask(self, subscriber: Subscriber) -> None:
        """Have the subscriber ask for the next page."""
        self.requests.append(subscriber.request())

    def commit(self, events: int = 1, size: int = 0, steps: int = 1) -> None:
        """Handle an event."""
        for _ in range(events):
            self.office.parts.history.note(1.0, "note", None, None, text="x" * size)
        for _ in range(steps):
            self.moved += 1
            delivery = Delivery(id=f"d-{self.moved}", agent="a", kind=DeliveryKind.MESSAGE)
            self.office.parts.journal.steps.add_queued(delivery, 1.0)
        self.office.tell()

    def serve(self, count: int) -> None:
        """Have the router handle this number of requests."""
        for request in self.requests[:count]:
            if self.feed.ask(request):
                self.post(self.feed.page_for(request.subscriber))
        del self.requests[:count]

    def send(self) -> None:
        """End the time for gathering changes."""
        self.post(self.feed.pages())

    def post(self, pages: Iterable[tuple[str, FeedPage]]) -> None:
        """Put pages into their subscribers' mailboxes."""
        for name, page in pages:
            next(each for each in self.subscribers if each.name == name).mailbox.append(page)

    def receive(self, subscriber: Subscriber) -> None:
        """Have the subscriber handle a page, and ask for more."""
        if subscriber.mailbox and subscriber.take():
            self.ask(subscriber)

    def catch_up(self) -> None:
        """Go on until every subscriber has everything."""
        while self.requests or self.feed.is_wanted or any(each.mailbox for each in self.subscribers):
            self.serve(len(self.requests))
            self.send()
            for each in self.subscribers:
                self.receive(each)

    def assert_each_once(self) -> None:
        """Assert that each subscriber has everything, once, in order."""
        lines: list[bytes] = []
        last = 0
        while last < self.office.parts.history.last:
            page, last = self.office.parts.history.page_after(last)
            lines += page
        for each in self.subscribers:
            assert each.events == lines
            rows = [row for _, row in self.office.parts.journal.steps.after(0, 1_000_000)]
            assert each.moves == (rows if each.place[1] is not None else [])


@pytest.fixture
def stage(office: Office) -> Stage:
    """Prepare a feed without subscribers."""
    return Stage(office)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_happens_each_subscriber_gets_each_fact_once_and_in_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    office = Office(tmp_path_factory.mktemp("office"))
    stage = Stage(office)
    stage.join("files", steps=False, states=True)
    stage.join("feed")
    stage.join("other")
    subscriber = st.sampled_from(stage.subscribers)
    acts: list[Any] = [
        lambda: stage.commit(data.draw(st.integers(0, 3)), steps=data.draw(st.integers(0, 3))),
        lambda: stage.commit(PAGE + 1),
        lambda: stage.commit(3, size=PAGE_BYTES // 2),
        lambda: stage.serve(data.draw(st.integers(1, 3))),
        stage.send,
        lambda: stage.receive(data.draw(subscriber)),
        lambda: stage.ask(data.draw(subscriber)),  # it crashed, and knows only its place
        stage.restart,
    ]
    try:
        for act in data.draw(st.lists(st.sampled_from(acts), max_size=40)):
            act()
        # A page that a router has sent, and that got lost with it, is asked for again
        for each in stage.subscribers:
            stage.ask(each)
        stage.catch_up()
        stage.assert_each_once()
    finally:
        office.close()


def test_no_more_is_under_way_than_one_page_each(stage: Stage) -> None:
    quick, slow = stage.join("quick"), stage.join("slow")
    for _ in range(20):
        stage.commit(100)
        stage.serve(10)
        stage.send()
        stage.receive(quick)
    assert len(slow.mailbox) == 1
    stage.catch_up()
    stage.assert_each_once()


def test_those_who_keep_up_share_the_work(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    events = stage.office.parts.journal.events
    after = events.after

    def counted(number: int, limit: int, size: int | None = None) -> Any:
        made.append(number)
        return after(number, limit, size)

    monkeypatch.setattr(events, "after", counted)
    for name in ("a", "b", "c"):
        stage.join(name)
    for _ in range(5):
        stage.commit(10)
        stage.catch_up()
    assert made == [0, 10, 20, 30, 40]
    monkeypatch.undo()
    stage.assert_each_once()


def test_each_subscriber_of_states_gets_all_of_them_and_then_what_changed(stage: Stage) -> None:
    stage.office.create("A", "coder")
    stage.office.create("B", "tester")
    first = stage.join("first", steps=False, states=True)
    stage.catch_up()
    assert first.agents == {"coder", "tester"}
    second, other = stage.join("second", steps=False, states=True), stage.join("other")
    stage.catch_up()
    assert second.agents == {"coder", "tester"}
    first.agents.clear()
    second.agents.clear()
    stage.office.create("C", "coder")
    stage.catch_up()
    assert first.agents == second.agents == {"coder"}
    assert other.agents == set()


def test_a_subscriber_that_is_ahead_of_the_journal_is_told_where_that_is(stage: Stage) -> None:
    stage.commit(3)
    subscriber = stage.join("feed")
    subscriber.place = (5000, 70)
    stage.requests.clear()
    stage.ask(subscriber)
    stage.serve(1)
    assert not stage.feed.is_wanted
    stage.commit(2)
    stage.catch_up()
    assert subscriber.place == (5, 2)
    assert [json.loads(line)["number"] for line in subscriber.events] == [4, 5]
    assert len(subscriber.moves) == 1


def test_the_last_page_is_sent_unasked(stage: Stage) -> None:
    subscriber = stage.join("files")
    stage.commit()
    stage.serve(1)
    stage.send()
    stage.commit(2)
    assert list(stage.feed.pages()) == []
    subscriber.mailbox += [page for _, page in stage.feed.pages(is_last=True)]
    stage.receive(subscriber)
    stage.receive(subscriber)
    stage.assert_each_once()


def test_the_queue_of_an_agent_is_listed_whole_whatever_is_in_memory(tmp_path: Path) -> None:
    # Given: five subtasks and a message for an agent of which two are kept in memory.
    office = Office(tmp_path, queue_size=2)
    for number in range(5):
        office.create(f"S{number}", "coder", details=f"Do {number}.\nWell.")
    office.message("coder", "hello\nthere")
    # When: they are listed for people.
    listed = office.parts.lanes.open_deliveries("coder")
    # Then: all are there, oldest first, with what they are about.
    assert [each["subtask_id"] for each in listed] == ["S0", "S1", "S2", "S3", "S4", None]
    first, last = listed[0], listed[-1]
    assert first.pop("delivery_id") != last.pop("delivery_id")
    assert first == {
        "type": "task_ready", "subtask_id": "S0", "title": "Title of S0", "text": "Do 0. Well.",
        "queued_at": "1970-01-12T13:46:43+00:00", "state": "queued",
    }  # fmt: skip
    assert (last["type"], last["text"], last["title"]) == ("message", "hello there", None)
    # And: one that is on its way has its state.
    office.up("coder")
    office.receive("coder", office.delivered("coder")[0], DeliveryState.WRITTEN)
    assert "written" in [each["state"] for each in office.parts.lanes.open_deliveries("coder")]
    office.close()


def test_a_long_queue_says_how_many_more_wait(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for number in range(LISTED + 3):
        office.message("coder", f"{number} " + "x" * 1000)
    listed = office.parts.lanes.open_deliveries("coder")
    assert len(listed) == LISTED + 1
    assert listed[-1] == {"more": 3}
    assert len(listed[0]["text"]) == BEGINNING + 1
    office.close()
