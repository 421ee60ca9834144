"""Tests of the event stream, with the whole product."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.feed import FeedReader
from actors.gateway import Tokens, load_secret
from actors.journal.reader import JournalReader
from actors.protocol.feed import AgentActive, Said
from actors.protocol.names import FEED
from tests.e2e.conftest import Make
from tests.e2e.program import closed_environment, create, running, wait_for
from tests.ports import free_port

pytestmark = pytest.mark.timeout(120)

SECONDS = 30.0
Event = dict[str, Any]
PLAN = "- {title: A, agent: architect-agent}\n- {title: B, agent: coding-agent, depends_on: [A]}\n"


@contextmanager
def follow(url: str, token: str, query: str = "", last: str | None = None) -> Iterator[Iterator[Event]]:
    """Yield the events from the operator's route."""
    headers = {"Authorization": f"Bearer {token}"} | ({} if last is None else {"Last-Event-ID": last})
    with (
        httpx.Client(base_url=url, headers=headers, timeout=SECONDS, trust_env=False) as http,
        http.stream("GET", f"/api/events{query}") as response,
    ):
        assert response.status_code == 200, response.read()
        yield _events(response.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Event]:
    found: Event = {}
    for line in lines:
        if not line and "data" in found:
            yield found
            found = {}
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            found[name] = json.loads(value) if name == "data" else value


def until(events: Iterator[Event], kind: str, subject: str) -> list[Event]:
    """Return all events up to the one of this kind and subject."""
    found = []
    for event in events:
        found.append(event)
        if event["data"].get("event_type") == kind and subject in (
            event["data"]["id"],
            event["data"]["agent"],
        ):
            return found
    raise AssertionError(f"the stream ended after {found}")


def test_a_workflow_can_be_followed_live(make_scripted: Make) -> None:
    product = make_scripted()
    with follow(product.coordinator.url, product.coordinator.tokens.operator) as events:
        ids = product.create("One", {"key": "A", "title": "A", "agent": "coding-agent"})
        seen = until(events, "subtask.completed", ids["A"])
        kinds = [event["data"]["event_type"] for event in seen if event["event"] == "event"]
        assert (
            kinds.index("subtask.created") < kinds.index("session.working") < kinds.index("subtask.completed")
        )
        product.coordinator.system.handle(FEED).tell(
            AgentActive(agent="coding-agent", at=time.time(), activities=(Said(text="Done."),))
        )
        said = next(
            event for event in events if event["event"] == "said" and event["data"]["text"] == "Done."
        )
        assert said["data"]["agent"] == "coding-agent"
    # And it is there for those who come later, also when nothing runs any more
    reader = FeedReader(product.work.feed)
    (fact,) = [each for each in reader.after(0, 10_000, kinds=["said"]).facts if b'"Done."' in each.document]
    assert str(fact.number) == said["id"]
    reader.close()


def test_a_delivery_can_be_followed_from_queued_to_completed(make_scripted: Make) -> None:
    product = make_scripted()
    with follow(product.coordinator.url, product.coordinator.tokens.operator) as events:
        ids = product.create("One", {"key": "A", "title": "A", "agent": "coding-agent"})
        seen = until(events, "subtask.completed", ids["A"])
        seen += until(events, "session.ready", "coding-agent")
        states = [event["data"]["state"] for event in seen if event["event"] == "delivery"]
        while "completed" not in states:
            event = next(events)
            states += [event["data"]["state"]] if event["event"] == "delivery" else []
    assert states == ["queued", "written", "accepted", "started", "completed"]


def test_who_comes_back_after_a_kill_has_seen_each_event_once_and_in_order(tmp_path: Path) -> None:
    environment = closed_environment(tmp_path) | {"GATEWAY_PORT": str(free_port())}
    url, work = f"http://127.0.0.1:{environment['GATEWAY_PORT']}", Path(environment["WORK_DIR"])
    seen: list[Event] = []
    for life in range(1, 4):
        with running(environment):
            token = Tokens(load_secret(work / "gateway.secret")).operator
            last = seen[-1]["id"] if seen else None
            with follow(url, token, "?after=0&kind=event", last) as events:
                create(environment, PLAN)
                seen += until(events, "session.working", "coding-agent")
            if life == 3:
                wait_for(environment, "task.completed", 3)
                with follow(url, token, "?after=0&kind=event", seen[-1]["id"]) as events:
                    missing = _last_event(work) - seen[-1]["data"]["number"]
                    seen += [next(events) for _ in range(missing)]
    assert [event["data"]["number"] for event in seen] == list(range(1, len(seen) + 1))
    assert [int(event["id"]) for event in seen] == sorted({int(event["id"]) for event in seen})


def _last_event(work: Path) -> int:
    reader = JournalReader(work / "journal.db")
    try:
        return int(reader.counts()["last event"])
    finally:
        reader.close()
