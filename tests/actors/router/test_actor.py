"""The router's actor: one commit for many messages, nothing sent before it, and a full disk."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from actors.journal.history import PAGE_BYTES
from actors.journal.journal import PAGE
from actors.journal.reader import JournalReader
from actors.protocol.backend import EventReceived
from actors.protocol.base import Model
from actors.protocol.deliveries import DeliveryState, DeliveryStep
from actors.protocol.events import NodeCompleted, NodeCreated
from actors.protocol.feed import FeedPage, FeedRequest, JournalRemoved, WritingPaused, WritingResumed
from actors.protocol.names import CONNECTION, GATEWAY, ROUTER, SESSIONS, WORKDIR, session_name
from actors.protocol.reports import Completion, Reply, ReportCompletion
from actors.protocol.sessions import Deliver, Progressed, SessionReady
from actors.router import ContextBuilder, LocalSessionHost, RouterActor, RouterSettings
from actors.router import actor as actor_module
from actors.router.actor import FeedDue
from supervisors import Actor, ActorContext, Backoff, ChildSpec, System
from supervisors.drill import crash
from tests.actors.support import DEADLINE, Record, child, recorder, running


class FillDisk(Model):
    """Stop the database from growing until it is opened again."""


class FragileRouter(RouterActor):
    """A journal whose disk can be filled."""

    def _take(self, message: Any) -> None:
        if isinstance(message, FillDisk):
            (pages,) = self.parts.journal.execute("PRAGMA page_count").fetchone()
            self.parts.journal.commit()
            self.parts.journal.execute(f"PRAGMA max_page_count={pages}")
            self._batch.pop()
        else:
            super()._take(message)


def settings(directory: Path) -> RouterSettings:
    return RouterSettings(
        journal=directory / "journal.db",
        context=ContextBuilder(24_000),
        host=partial(LocalSessionHost, spec=lambda session: ChildSpec(name=session.name, start=Actor)),
        read_result=lambda _agent, _subtask_id: None,
    )


def created(node_id: str, agent: str = "coder", details: str = "", *upstreams: str) -> EventReceived:
    return EventReceived(
        event=NodeCreated(
            entity="subtask",
            id=node_id,
            assignees=(agent,),
            details=details,
            dependencies=upstreams,
            key=f"k-{node_id}",
        )
    )


Reaction = Callable[[ActorContext, Any], object]


class Stage:
    """A router whose neighbours are recorders."""

    def __init__(
        self, directory: Path, router: type[RouterActor] = RouterActor, answer: Reaction | None = None
    ) -> None:
        self.session, self.workdir, self.gateway, self.other = Record(), Record(), Record(), Record()
        self.children = (
            recorder(WORKDIR, self.workdir, answer),
            recorder(CONNECTION, self.other),
            recorder(GATEWAY, self.gateway),
            recorder(SESSIONS, self.other),
            recorder(session_name("coder"), self.session),
            child(ROUTER, partial(router, settings=settings(directory))),
        )


def ask(system: System, agent: str, summary: str) -> bool:
    """Report a subtask as the agent; return whether that was accepted."""
    reply = Reply()
    completion = Completion(summary=summary)
    system.handle(ROUTER).tell(
        ReportCompletion(agent=agent, way="gateway", completion=completion, reply=reply)
    )
    return reply.result(DEADLINE).ok


def test_an_event_becomes_a_delivery_and_a_report_is_answered_when_it_is_durable(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with running(*stage.children) as system:
        router = system.handle(ROUTER)
        router.tell(SessionReady(agent="coder"))
        router.tell(created("A"))
        delivery = stage.session.wait_for(Deliver).delivery
        assert delivery.subtask_id == "A"
        steps = (DeliveryStep(delivery_id=delivery.id, state=DeliveryState.STARTED),)
        router.tell(Progressed(agent="coder", steps=steps))
        assert ask(system, "coder", "done")
        # What was answered is in the file, for everybody to see
        with sqlite3.connect(tmp_path / "journal.db") as database:
            assert database.execute("SELECT status FROM nodes WHERE id = 'A'").fetchone() == ("completed",)
        database.close()


@pytest.mark.expected_errors("child_exited")
@pytest.mark.parametrize("kills", [1, 5])
def test_a_router_that_dies_goes_on_with_what_waited(tmp_path: Path, kills: int) -> None:
    stage = Stage(tmp_path)
    with running(*stage.children) as system:
        router = system.handle(ROUTER)
        router.tell(SessionReady(agent="coder"))
        for number in range(kills):
            router.tell(created(f"S{number}"))
            crash(system, ROUTER, RuntimeError("on purpose"))
            router.tell(created(f"T{number}"))
        router.tell(SessionReady(agent="coder"))
        done = []
        for _ in range(2 * kills):
            delivery = stage.session.wait_for(Deliver, lambda each: each.delivery.id not in done).delivery
            done.append(delivery.id)
            steps = (DeliveryStep(delivery_id=delivery.id, state=DeliveryState.COMPLETED),)
            assert ask(system, "coder", "done")
            router.tell(Progressed(agent="coder", steps=steps))
    subtasks = {each.delivery.subtask_id for each in stage.session.all(Deliver)}
    assert subtasks == {f"{letter}{number}" for letter in "ST" for number in range(kills)}


@pytest.mark.expected_errors("child_exited", "message_dead")
def test_a_message_that_kills_its_reader_twice_is_a_dead_letter_and_the_next_is_handled(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    dead: list[object] = []
    with running(*stage.children, on_dead_letter=lambda letter: dead.append(letter.message)) as system:
        router = system.handle(ROUTER)
        router.tell(SessionReady(agent="coder"))
        router.tell("nonsense that nobody knows")
        router.tell(created("A"))
        router.tell(SessionReady(agent="coder"))
        assert stage.session.wait_for(Deliver).delivery.subtask_id == "A"
    assert dead == ["nonsense that nobody knows"]


@pytest.mark.expected_errors("journal_not_written")
def test_a_full_disk_stops_new_work_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged_errors: list[object]
) -> None:
    monkeypatch.setattr(actor_module, "REWRITE", Backoff(initial=0.05, maximum=10.0, floor=1.0))
    stage = Stage(tmp_path, FragileRouter)
    with running(*stage.children) as system:
        router = system.handle(ROUTER)
        router.tell(SessionReady(agent="coder"))
        router.tell(created("A"))
        stage.session.wait_for(Deliver)
        # When the disk is full, nothing that follows is said to anybody before there is space
        router.tell(FillDisk())
        router.tell(created("B", "coder", "x" * 500_000))
        router.tell(EventReceived(event=NodeCompleted(entity="subtask", id="A", key="k-done", by="coder")))
        router.tell(SessionReady(agent="coder"))
        delivery = stage.session.wait_for(Deliver).delivery
        steps = (DeliveryStep(delivery_id=delivery.id, state=DeliveryState.COMPLETED),)
        router.tell(Progressed(agent="coder", steps=steps))
        # Then it goes on by itself, with all of it
        again = stage.session.wait_for(Deliver, lambda each: each.delivery.subtask_id == "B").delivery
        assert len(again.text) > 20_000
        # And people could see that it waited, and that it waits no more
        paused = stage.gateway.wait_for(WritingPaused)
        assert paused.reason == "database or disk is full"
        stage.gateway.wait_for(WritingResumed, nth=2)  # the first was said at the start
        assert [type(each) for each in stage.gateway.all(Model)][-1] is WritingResumed
    assert logged_errors


@pytest.mark.expected_errors("journal_not_written", "child_exited")
def test_a_stop_is_heard_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_module, "REWRITE", Backoff(initial=3600.0, maximum=3600.0, floor=1.0))
    stage = Stage(tmp_path, FragileRouter)
    with running(*stage.children) as system:
        router = system.handle(ROUTER)
        router.tell(FillDisk())
        router.tell(created("B", "coder", "x" * 500_000))


def numbers(mirrors: list[FeedPage]) -> list[int]:
    """Return the numbers of the lines, in the order in which they were sent."""
    return [orjson.loads(line)["number"] for mirror in mirrors for line in mirror.events]


def answer_when_written(context: ActorContext, message: object) -> None:
    """Play a work directory on a quick disk."""
    if isinstance(message, FeedPage) and message.events:
        context.system.handle(ROUTER).tell(
            FeedRequest(subscriber=WORKDIR, events=numbers([message])[-1], states=True)
        )


def test_the_history_file_is_filled_page_by_page_without_a_gap(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answer=answer_when_written)
    with running(*stage.children) as system:
        router = system.handle(ROUTER)
        for number in range(2500):
            router.tell(created(f"S{number}", "nobody"))
        router.tell(FeedRequest(subscriber=WORKDIR, events=0, states=True))
        stage.workdir.wait_for(FeedPage, lambda each: any(b'"id":"S2499"' in line for line in each.events))
        mirrors = stage.workdir.all(FeedPage)
    assert numbers(mirrors) == list(range(1, 2501))
    assert max(len(each.events) for each in mirrors) <= PAGE


def test_while_nothing_is_asked_for_nothing_is_sent_whatever_happens(tmp_path: Path) -> None:
    # Given a work directory that was sent something, and hasn't written it yet
    stage = Stage(tmp_path)
    with running(*stage.children) as system:
        router = system.handle(ROUTER)
        router.tell(created("A", "nobody"))
        router.tell(FeedRequest(subscriber=WORKDIR, events=0, states=True))
        first = stage.workdir.wait_for(FeedPage)
        assert numbers([first]) == [1]
        # When much more happens, and time passes
        for number in range(20):
            router.tell(created(f"S{number}", "nobody", "x" * 200_000))
            router.tell(FeedDue())
        assert not ask(system, "nobody", "all of this was handled")
        assert stage.workdir.all(FeedPage) == [first]
        # Then it gets all of it when it asks, in pieces that are small enough
        for _ in range(10):
            seen = len(stage.workdir.all(FeedPage))
            router.tell(
                FeedRequest(subscriber=WORKDIR, events=numbers(stage.workdir.all(FeedPage))[-1], states=True)
            )
            page = stage.workdir.wait_for(FeedPage, nth=seen + 1)
            assert sum(map(len, page.events)) <= PAGE_BYTES + 201_000
            if b'"id":"S19"' in page.events[-1]:
                break
        assert numbers(stage.workdir.all(FeedPage)) == list(range(1, 22))
        assert seen >= 3


@pytest.mark.expected_errors("journal_removed")
def test_a_journal_that_was_taken_away_is_back_as_soon_as_somebody_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with running(*stage.children) as system:
        system.handle(ROUTER).tell(created("A"))
        system.handle(ROUTER).ask(FeedRequest(subscriber=WORKDIR, events=0, states=True), timeout=DEADLINE)
        for each in tmp_path.glob("journal.db*"):
            each.unlink()
        system.handle(ROUTER).ask(JournalRemoved(), timeout=DEADLINE)
        reader = JournalReader(tmp_path / "journal.db")
        assert reader.node("A") is not None
        reader.close()
