"""The contract of ``Dialect``, checked for each one in ``DIALECTS``: a new dialect needs no change here."""

import json
from typing import Any, assert_never, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.dialects import dialect as dialect_module
from actors.connection.dialects.dialect import Dialect
from actors.connection.dialects.parsed import Parsed
from actors.connection.dialects.registry import DEFAULT, DIALECTS
from actors.connection.frames import MAX_MESSAGE
from actors.protocol.backend import Publish
from actors.protocol.events import (
    AgentBlocked,
    AgentMessage,
    Event,
    EventKind,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeUpdated,
)
from tests.actors.connection.dialects.values import JSON

EVENTS: list[Event] = [
    *(
        event
        for entity in ("task", "subtask")
        for event in (
            NodeCreated(
                entity=entity,
                id="A",
                title="t",
                details="d",
                assignees=("coder", "tester"),
                dependencies=("X",),
                status="todo",
            ),
            NodeCreated(entity=entity, id="A"),
            NodeUpdated(entity=entity, id="A", title="t", assignees=(), dependencies=(), status="blocked"),
            NodeCompleted(
                entity=entity, id="A", summary="s\x00é", insights=("i",), files=("a.py",), by="coder"
            ),
            NodeCompleted(entity=entity, id="A"),
            NodeDeleted(entity=entity, id="A"),
        )
    ),
    NodeCreated(entity="subtask", id="A", parent="T"),
    NodeCompleted(entity="subtask", id="A", parent="T", title="t"),
    AgentBlocked(agent="coder", subtask_id="A", reason="r"),
    AgentBlocked(agent="coder"),
    AgentMessage(agent="coder", sender="tester", text="hello", subtask_id="A"),
    AgentMessage(agent="coder", text=""),
]
KINDS: tuple[EventKind, ...] = get_args(EventKind)
NAMES = [
    "id", "subtask_id", "task_id", "parent_task_id", "title", "details", "assignees", "agent", "dependencies",
    "status", "summary", "insights", "files", "completed_by", "message", "from", "reason", "seq", "timestamp",
    "idempotency_key", "acks", "instance", "error", "live", "code",
]  # fmt: skip
MARKS = {
    "version": st.just("2.0") | JSON,
    "event_type": st.sampled_from(KINDS) | JSON,
    "event": st.sampled_from(KINDS) | JSON,
    "type": st.sampled_from(["welcome", "subscribed", "live", "ack", "nack", "pong", "error", "update"])
    | JSON,
    "payload": st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8) | JSON,
}
MESSAGES = st.builds(
    lambda fields, marks: {**fields, **marks},
    st.dictionaries(st.sampled_from(NAMES) | st.text(), JSON, max_size=8),
    st.fixed_dictionaries({}, optional=MARKS),
)
PAYLOADS = st.dictionaries(st.sampled_from([*NAMES, *MARKS]) | st.text(), JSON, max_size=8)

each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: type(dialect).__name__)


def _publication(event: Event) -> Publish:
    """Return an event as the router publishes it."""
    payload: dict[str, Any]
    match event:
        case NodeCreated() | NodeUpdated():
            payload = {
                **_node(event.id, event.parent, event.title),
                "details": event.details,
                "assignees": event.assignees,
                "dependencies": event.dependencies,
                "status": event.status,
            }
        case NodeCompleted():
            payload = {
                **_node(event.id, event.parent, event.title),
                "completion_summary": event.summary,
                "insights_found": event.insights,
                "files_modified": event.files,
                "completed_by": event.by,
            }
        case NodeDeleted():
            payload = _node(event.id, event.parent, event.title)
        case AgentBlocked():
            payload = {"agent": event.agent, "subtask_id": event.subtask_id, "reason": event.reason}
        case AgentMessage():
            payload = {
                "agent": event.agent,
                "from": event.sender,
                "message": event.text,
                "subtask_id": event.subtask_id,
            }
        case _:
            assert_never(event)
    return Publish(key="key-1", event_type=event.kind, payload=payload)


def _node(node: str, parent: str | None, title: str | None) -> dict[str, Any]:
    return {"id": node, "task_id": parent, "title": title}


def _write(dialect: Dialect, publication: Publish) -> dict[str, Any] | None:
    """Return what a dialect writes; None where it refuses, which it must explain in words."""
    try:
        raw = dialect.write(publication)
    except ValueError as refusal:
        reason = str(refusal)
    else:
        return _read_back(raw)
    assert 0 < len(reason) < 500
    return None


def _read_back(raw: bytes) -> dict[str, Any]:
    assert len(raw) <= MAX_MESSAGE
    message = json.loads(raw)
    assert isinstance(message, dict)
    return message


def _first(message: dict[str, Any]) -> Dialect | None:
    return next((each for each in DIALECTS if each.recognises(message)), None)


def test_there_is_an_example_of_each_kind() -> None:
    assert {event.kind for event in EVENTS} == set(KINDS)


@each_dialect
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_what_it_writes_it_reads_as_the_same_event(dialect: Dialect, event: Event) -> None:
    message = _write(dialect, _publication(event))
    if message is None:
        return
    assert _first(message) is dialect
    parsed = dialect.read(message)
    assert parsed.problems == ()
    assert parsed.event is not None
    assert parsed.event.at is not None
    assert parsed.event.model_copy(update={"at": None}) == event.model_copy(update={"key": "key-1"})


@each_dialect
def test_it_writes_each_kind_or_none(dialect: Dialect) -> None:
    written = {event.kind for event in EVENTS if _write(dialect, _publication(event)) is not None}
    assert written in (set(), set(KINDS))


def test_what_is_spoken_before_anything_is_known_can_be_written() -> None:
    assert DEFAULT in DIALECTS
    assert all(_write(DEFAULT, _publication(event)) is not None for event in EVENTS)


@given(MESSAGES)
def test_nothing_that_is_recognised_makes_a_dialect_raise(message: dict[str, Any]) -> None:
    before = json.dumps(message)
    for dialect in DIALECTS:
        if dialect.recognises(message):
            _is_well_formed(dialect.read(message))
    assert json.dumps(message) == before


def _is_well_formed(parsed: Parsed) -> None:
    assert parsed.event is None or parsed.control is None
    assert parsed.event or parsed.control or parsed.problems
    assert all(0 < len(problem) < 500 for problem in parsed.problems)


@given(st.sampled_from(KINDS), PAYLOADS)
def test_what_a_dialect_writes_is_its_own_whatever_the_payload_holds(
    kind: EventKind, payload: dict[str, Any]
) -> None:
    for dialect in DIALECTS:
        message = _write(dialect, Publish(key="key-1", event_type=kind, payload=payload))
        if message is not None:
            assert _first(message) is dialect
            event = dialect.read(message).event
            assert event is None or event.key == "key-1"


@each_dialect
@pytest.mark.parametrize("payload", [{"text": "\ud800"}, {"number": 2**70}, {"thing": object()}])
def test_what_is_no_json_is_refused_in_words(dialect: Dialect, payload: dict[str, Any]) -> None:
    assert (
        _write(dialect, Publish(key="k", event_type="task.completed", payload={"id": "T", **payload})) is None
    )


@each_dialect
@pytest.mark.parametrize("margin", range(-3, 4))
def test_it_never_writes_more_than_a_message_may_hold(
    dialect: Dialect, margin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = Publish(key="k", event_type="task.completed", payload={"id": "T", "summary": "ü" * 100})
    whole = _write(dialect, publication)
    if whole is None:
        return
    size = len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())
    monkeypatch.setattr(dialect_module, "MAX_MESSAGE", size + margin)
    assert (_write(dialect, publication) is not None) == (margin >= 0)


def test_nothing_longer_than_the_socket_takes_is_written() -> None:
    for dialect in DIALECTS:
        long = Publish(
            key="k", event_type="task.completed", payload={"id": "T", "summary": "x" * MAX_MESSAGE}
        )
        assert _write(dialect, long) is None
