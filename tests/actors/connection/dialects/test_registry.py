"""Messages of the backend in each dialect, and the results of reading them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.dialects.design import DesignDialect
from actors.connection.dialects.parsed import Ack, Nack, Parsed, Pong, Subscribed, Welcome, rejected
from actors.connection.dialects.registry import Translator
from actors.protocol.backend import Publish
from actors.protocol.events import (
    AgentBlocked,
    AgentMessage,
    Event,
    NodeCompleted,
    NodeCreated,
    NodeDeleted,
    NodeDescribed,
    NodeUpdated,
)
from tests.actors.connection.dialects.values import JSON


def _read(raw: bytes) -> Parsed:
    return Translator().read(raw)


def _parse(message: object) -> Parsed:
    return _read(json.dumps(message).encode())


def _design(event_type: object, payload: object, **envelope: object) -> Parsed:
    return _parse({"event_type": event_type, "payload": payload, **envelope})


def _created(**payload: object) -> tuple[NodeCreated, tuple[str, ...]]:
    parsed = _design("subtask.created", {"id": "A", **payload})
    assert isinstance(parsed.event, NodeCreated)
    return parsed.event, parsed.problems


FULL = {
    "id": "e-1",
    "seq": 17,
    "timestamp": "2026-11-23T06:09:28+00:00",
    "event_type": "subtask.created",
    "payload": {
        "id": "B",
        "task_id": "T",
        "title": "Implement",
        "details": "All of it",
        "assignees": ["@coding-agent", "test-agent"],
        "dependencies": ["A"],
        "status": "todo",
        "project": "ignored",
    },
}


def test_the_design_dialect_in_full() -> None:
    assert _parse(FULL) == (
        NodeCreated(
            key="e-1",
            seq=17,
            at="2026-11-23T06:09:28+00:00",
            entity="subtask",
            id="B",
            parent="T",
            title="Implement",
            details="All of it",
            assignees=("coding-agent", "test-agent"),
            dependencies=("A",),
            status="todo",
        ),
        None,
        (),
    )


@pytest.mark.parametrize(
    ("event_type", "fields", "event"),
    [
        ("task.created", {"id": "T"}, NodeCreated(entity="task", id="T")),
        ("task.created", {"task_id": "T"}, NodeCreated(entity="task", id="T")),
        ("task.updated", {"id": "T", "name": "n"}, NodeUpdated(entity="task", id="T", title="n")),
        ("subtask.created", {"subtask_id": "A"}, NodeCreated(entity="subtask", id="A")),
        (
            "subtask.updated",
            {"id": "A", "parent_task_id": "T", "status": " In_Progress "},
            NodeUpdated(entity="subtask", id="A", parent="T", status="in_progress"),
        ),
        (
            "subtask.updated",
            {"id": "A", "status": "done", "completion_summary": "s", "title": "t"},
            NodeCompleted(entity="subtask", id="A", summary="s", title="t"),
        ),
        ("task.updated", {"id": "T", "status": "COMPLETED"}, NodeCompleted(entity="task", id="T")),
        (
            "subtask.completed",
            {"id": "A", "summary": "s", "insights": "one", "files": ["a.py"], "completed_by": "@coder"},
            NodeCompleted(
                entity="subtask", id="A", summary="s", insights=("one",), files=("a.py",), by="coder"
            ),
        ),
        (
            "subtask.completed",
            {"id": "A", "completion_summary": "", "insights_found": ["x", 2], "files_modified": "b.py"},
            NodeCompleted(entity="subtask", id="A", summary="", insights=("x", "2"), files=("b.py",)),
        ),
        ("task.deleted", {"id": "T"}, NodeDeleted(entity="task", id="T")),
        ("subtask.deleted", {"id": "A", "task_id": "T"}, NodeDeleted(entity="subtask", id="A", parent="T")),
        (
            "agent.blocked",
            {"agent": "@coder", "subtask_id": "A", "reason": "no key"},
            AgentBlocked(agent="coder", subtask_id="A", reason="no key"),
        ),
        ("agent.blocked", {"agent": "coder"}, AgentBlocked(agent="coder")),
        (
            "agent.message",
            {"agent": "coder", "from": "tester", "message": "hello", "subtask_id": "A"},
            AgentMessage(agent="coder", sender="tester", text="hello", subtask_id="A"),
        ),
        (
            "agent.message",
            {"to": "@coder", "sender": "tester", "text": ""},
            AgentMessage(agent="coder", sender="tester", text=""),
        ),
    ],
)
def test_each_event_in_both_dialects(event_type: str, fields: dict[str, Any], event: Event) -> None:
    assert _design(event_type, fields) == (event, None, ())
    assert _parse({"event": event_type, **fields}) == (event, None, ())


def test_the_specific_spelling_of_an_id_goes_first() -> None:
    parsed = _parse({"event": "subtask.created", "id": "event-7", "subtask_id": "A", "task_id": "T"})
    assert parsed.event == NodeCreated(entity="subtask", id="A", parent="T")


@pytest.mark.parametrize("name", ["details", "description", "instruction"])
def test_spellings_of_details(name: str) -> None:
    assert _created(**{name: "what to do"})[0].details == "what to do"


@pytest.mark.parametrize("name", ["dependencies", "depends_on"])
def test_spellings_of_dependencies(name: str) -> None:
    assert _created(**{name: ["X", 7, "X"]})[0].dependencies == ("X", "7")
    assert _created(**{name: "X"})[0].dependencies == ("X",)
    assert _created(**{name: None})[0].dependencies is None


@pytest.mark.parametrize("name", ["assignees", "assignee", "agent"])
def test_spellings_of_assignees(name: str) -> None:
    assert _created(**{name: ["@a", "b", "a"]})[0].assignees == ("a", "b")
    assert _created(**{name: "@a"})[0].assignees == ("a",)
    assert _created(**{name: []})[0].assignees == ()
    assert _created(**{name: ""})[0].assignees == ()
    assert _created()[0].assignees is None


def test_an_agent_name_that_is_none_is_dropped_and_named_and_the_event_is_used() -> None:
    event, problems = _created(assignees=["../escaped", "coder", "x" * 500, {"role": "x"}, "a\nb", True])
    assert event.assignees == ("coder",)
    hint = "is no valid agent name: give the name of its prompt's file, such as coding-agent"
    assert problems[0] == f"assignees: '../escaped' {hint}"
    assert problems[2:] == (
        f"assignees: an object {hint}", f"assignees: 'a\\nb' {hint}", f"assignees: a truth value {hint}",
    )  # fmt: skip
    assert all(len(problem) < 200 for problem in problems)


@pytest.mark.parametrize("given", [["Coding Agent"], "Coding Agent", {}, [{"role": "dev"}], [[]], True])
def test_names_of_which_none_can_be_used_take_the_subtask_from_nobody(given: object) -> None:
    event, problems = _created(assignees=given)
    assert event.assignees is None
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("given", "agents"),
    [
        ([{"name": "coding-agent"}], ("coding-agent",)),
        ([{"id": "coding-agent", "role": "dev"}], ("coding-agent",)),
        ([{"id": "coding-agent", "name": "Coding Agent"}], ("coding-agent",)),
        ([{"id": 17, "name": "@coding-agent"}], ("coding-agent",)),
        ([{"agent": {"name": "coding-agent"}}], ("coding-agent",)),
        ({"username": "coding-agent"}, ("coding-agent",)),
        ("coding-agent, test-agent", ("coding-agent", "test-agent")),
        ("@coding-agent @test-agent", ("coding-agent", "test-agent")),
        ("coding-agent;test-agent,", ("coding-agent", "test-agent")),
        ('["coding-agent", {"name": "test-agent"}]', ("coding-agent", "test-agent")),
        (["@coding-agent", "coding-agent", " coding-agent "], ("coding-agent",)),
        ("coding-agent", ("coding-agent",)),
        ("[]", ()),
    ],
)
def test_shapes_of_assignees(given: object, agents: tuple[str, ...]) -> None:
    assert _created(assignees=given) == (
        NodeCreated(entity="subtask", id="A", assignees=agents),
        (),
    )


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ([7], ("7",)),
        ([7.0], ("7",)),
        ([{"id": "8"}], ("8",)),
        ([{"subtask_id": "8", "type": "blocks"}], ("8",)),
        ([{"id": 1, "subtask_id": {"id": "8"}}], ("8",)),
        ({"id": 8}, ("8",)),
        (7, ("7",)),
        ("7,8", ("7", "8")),
        ("7, 8, 7", ("7", "8")),
        ('["7", 8]', ("7", "8")),
        ('{"id": "8"}', ("8",)),
        ("[draft] step 1", ("[draft] step 1",)),
        (["a, b", "proj/12"], ("a, b", "proj/12")),
        ("", ()),
        ("[]", ()),
        (None, None),
    ],
)
def test_shapes_of_dependencies(given: object, ids: tuple[str, ...] | None) -> None:
    assert _created(dependencies=given) == (NodeCreated(entity="subtask", id="A", dependencies=ids), ())


@pytest.mark.parametrize(
    "node",
    [
        "proj/12",
        "#12",
        "urn:uuid:845d5f2d-0000-4000-8000-00000000abcd",
        "step 1",
        "aufgabe-ä",
        "_x1",
        7,
        -1,
        "..",
        "日本",
    ],
)
def test_any_printable_id_is_an_id(node: object) -> None:
    parsed = _design("subtask.created", {"id": node, "task_id": node, "dependencies": [node]})
    assert parsed == (
        NodeCreated(entity="subtask", id=str(node), parent=str(node), dependencies=(str(node),)), None, (),
    )  # fmt: skip


ENVELOPES = ["SUBTASK.CREATED", "subtask_created", "SubtaskCreated", "subtask:created", " Subtask Created "]


@pytest.mark.parametrize("name", ["subtask.created", *ENVELOPES])
@pytest.mark.parametrize("mark", ["event_type", "event", "type"])
def test_an_event_is_known_by_its_name_in_any_envelope(mark: str, name: str) -> None:
    node = NodeCreated(entity="subtask", id="A")
    for body in ("payload", "data"):
        assert _parse({mark: name, body: {"id": "A"}}).event == node
        assert _parse({mark: name, body: {"id": "A"}, "id": "evt-1"}).event == node.model_copy(
            update={"key": "evt-1"}
        )
    assert _parse({mark: name, "subtask_id": "A"}).event == node
    assert _parse({mark: name, "id": "A"}).event == node


def test_optional_fields_of_the_wrong_type_are_dropped_and_named() -> None:
    parsed = _design(
        "subtask.created",
        {"id": "A", "task_id": {}, "title": ["t"], "details": {}, "assignees": {}, "dependencies": True},
        id=[],
        seq="12",
        timestamp={},
    )
    assert parsed.event == NodeCreated(entity="subtask", id="A")
    named = " / ".join(parsed.problems)
    for field in ("id", "seq", "timestamp", "task_id", "title", "details", "assignees", "dependencies"):
        assert f"{field}: " in named or f"{field} is" in named, field


@pytest.mark.parametrize("seq", [-1, 2**63, 1.5, True, 10**30, "1"])
def test_a_seq_that_no_journal_could_hold_is_dropped(seq: object) -> None:
    parsed = _design("subtask.created", {"id": "A"}, seq=seq)
    assert parsed.event is not None
    assert parsed.event.seq is None
    assert parsed.problems == ("seq is no number from 0 to 2^63-1",)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"id": None},
        {"id": ""},
        {"id": " \t"},
        {"id": "a\u200bb"},
        {"id": "A\nB"},
        {"id": "x" * 201},
        {"id": {}},
        {"id": True},
        {"id": "\x1b[31m"},
        {"id": 10**30},
        {"id": 1.5},
        {"id": "/" * 67},
    ],
)
@pytest.mark.parametrize(
    "event_type", ["subtask.created", "subtask.completed", "task.updated", "task.deleted"]
)
def test_an_event_without_a_valid_id_is_rejected(event_type: str, payload: dict[str, Any]) -> None:
    parsed = _design(event_type, payload)
    assert (parsed.event, parsed.control) == (None, None)
    assert len(parsed.problems) == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"event_type": "subtask.exploded", "payload": {}}, "unknown event type 'subtask.exploded'"),
        ({"event": "x" * 1000}, f"unknown event type '{'x' * 80}…'"),
        ({"event_type": ["subtask.created"], "payload": {}}, "unknown event type a list"),
        ({"event_type": "subtask.created"}, "it has no subtask_id"),
        ({"event_type": "subtask.created", "payload": [1]}, "it has no subtask_id"),
        ({"event_type": "agent.message", "payload": {"agent": "a"}}, "it has no message"),
        ({"event_type": "agent.message", "payload": {"message": "m"}}, "it has no agent"),
        (
            {"event_type": "agent.blocked", "payload": {"agent": "a/b"}},
            "agent: 'a/b' is no valid agent name: give the name of its prompt's file, such as coding-agent",
        ),
        ({"version": "2.0", "type": "update", "payload": {}}, "unsupported dialect 2.0"),
        ({"version": "2.0", "event_type": "task.created", "payload": {"id": "T"}}, "unsupported dialect 2.0"),
        ({"hello": 1}, "unknown dialect: it has neither event_type nor event nor type"),
        ({"type": "surprise"}, "unknown message type 'surprise'"),
        ({"type": {}}, "unknown message type an object"),
        ({"type": "error", "error": "no such channel"}, "the backend reports an error: 'no such channel'"),
        ({"type": "ack", "id": 5}, "ack: id: Input should be a valid string"),
        ({"type": "nack"}, "nack: id: Field required"),
        ([1, 2], "not a JSON object"),
        ("text", "not a JSON object"),
        (None, "not a JSON object"),
    ],
)
def test_what_is_rejected_and_why(message: object, reason: str) -> None:
    assert _parse(message) == rejected(reason)


@pytest.mark.parametrize(
    ("message", "control"),
    [
        (
            {"type": "welcome", "server": "s", "instance": "i", "last_seq": 3, "acks": True, "more": 1},
            Welcome(type="welcome", server="s", instance="i", last_seq=3, acks=True),
        ),
        ({"type": "subscribed", "channels": [], "since": 1}, Subscribed(type="subscribed", since=1)),
        ({"type": "ack", "id": "k", "seq": 4}, Ack(type="ack", id="k", seq=4)),
        (
            {"type": "nack", "id": "k", "code": "c", "error": "e"},
            Nack(type="nack", id="k", code="c", error="e"),
        ),
        ({"type": "pong"}, Pong(type="pong")),
    ],
)
def test_control_messages(message: dict[str, Any], control: object) -> None:
    assert _parse(message) == (None, control, ())


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\x81\xff", id="broken UTF-8"),
        pytest.param(b'{"event_type":"\xed\xa0\x80"}', id="surrogate in UTF-8"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b'{"a":' * 100_000, id="deep nesting of objects"),
        pytest.param(b'{"event":"task.created","id":NaN}', id="NaN"),
        pytest.param(b'{"event":"task.created","id":1e999}', id="infinity"),
        pytest.param(b'{"event":"task.created","id":' + b"9" * 100_000 + b"}", id="huge number"),
        pytest.param(b'{"event":"task.created","id":"T"', id="cut off"),
        pytest.param(b'\xef\xbb\xbf{"event":"task.created","id":"T"}', id="byte order mark"),
        pytest.param(b'{"event":"task.created","id":"T"} x', id="something behind it"),
        pytest.param(b"{'event':'task.created'}", id="single quotes"),
        pytest.param(b'{"event":"\\u12', id="cut off in an escape"),
    ],
)
def test_bytes_that_are_no_message_have_a_reason(raw: bytes) -> None:
    parsed = _read(raw)
    assert (parsed.event, parsed.control) == (None, None)
    assert len(parsed.problems) == 1
    assert 0 < len(parsed.problems[0]) < 200


def test_deep_nesting_inside_an_event_does_no_harm() -> None:
    deep = b"[" * 900 + b"]" * 900
    parsed = _read(b'{"event":"subtask.created","id":"A","assignees":' + deep + b',"title":' + deep + b"}")
    assert parsed.event == NodeCreated(entity="subtask", id="A")
    assert len(parsed.problems) == 2


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    assert _read(b'{"event":"task.created","id":"A","id":"B"}').event == NodeCreated(entity="task", id="B")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"\udfff", "\ufffd"),
        (rb"a\uD83Db", "a\ufffdb"),
        (rb"\ud83d\ude00", "😀"),
        (rb"\ud800\ud83d\ude00\udc00", "\ufffd😀\ufffd"),
        (rb"\\ud800", r"\ud800"),
        (rb"\\\ud800", "\\\ufffd"),
        (rb"\"\ud800\"", '"\ufffd"'),
        (rb"\u0000\u001b[31m\n", "\x00\x1b[31m\n"),
    ],
)
def test_halves_of_surrogate_pairs_are_replaced_and_all_else_is_kept(written: bytes, read: str) -> None:
    parsed = _read(b'{"event":"task.created","id":"T","name":"' + written + b'","details":"\\ud800"}')
    assert parsed.event == NodeCreated(entity="task", id="T", title=read, details="\ufffd")
    assert parsed.problems == ()
    read.encode("utf-8")


def test_long_texts_are_kept_whole() -> None:
    text = "\x00\x1b\u2028 TASK_COMPLETE " * 60_000
    assert _created(details=text)[0].details == text


def test_many_problems_are_named_only_so_far() -> None:
    _, problems = _created(assignees=["a/b"] * 10 + [f"{n}/" for n in range(1000)])
    assert len(problems) <= 20


class _Broken(DesignDialect):
    def read(self, message: dict[str, Any]) -> Parsed:
        raise KeyError(message["id"])


@pytest.mark.expected_errors("message_unreadable")
def test_an_error_of_our_own_in_a_dialect_rejects_the_message() -> None:
    broken = Translator([_Broken()])
    assert broken.read(json.dumps(FULL).encode()) == rejected("it could not be read: KeyError")


DESIGN, FLAT = b'{"event_type":"task.deleted","payload":{"id":"T"}}', b'{"event":"task.deleted","id":"T"}'
WRITTEN_AS = {"event_type": "design", "event": "flat", "type": "typed"}
TYPED = b'{"type":"task_deleted","data":{"id":"T"}}'


def _spoken(translator: Translator) -> str:
    written = json.loads(translator.write(Publish(key="k", event_type="task.completed", payload={"id": "T"})))
    return next(name for mark, name in WRITTEN_AS.items() if mark in written)


@pytest.mark.parametrize(
    ("heard", "spoken"),
    [
        ([], "design"),
        ([b'{"type":"welcome"}'], "design"),
        ([b'{"event":"task.exploded"}'], "design"),
        ([DESIGN], "design"),
        ([FLAT], "flat"),
        ([FLAT, b'{"type":"ack","id":"k"}', b'{"event_type":"task.exploded"}', b"nonsense"], "flat"),
        ([FLAT, b'{"version":"2.0","event":"task.deleted","id":"T"}'], "flat"),
        ([FLAT, DESIGN], "design"),
        ([DESIGN, FLAT], "flat"),
        ([DESIGN, TYPED], "typed"),
    ],
)
def test_a_backend_is_answered_in_the_dialect_of_its_last_readable_event(
    heard: list[bytes], spoken: str
) -> None:
    translator = Translator()
    for raw in heard:
        translator.read(raw)
    assert _spoken(translator) == spoken


NAMES = [
    "id", "subtask_id", "task_id", "parent_task_id", "title", "name", "details", "assignees", "agent", "to",
    "dependencies", "status", "summary", "insights", "files", "completed_by", "message", "from", "reason",
    "seq", "timestamp", "type", "version", "acks", "instance", "error",
]  # fmt: skip
KINDS = [
    f"{entity}.{kind}"
    for entity in ("task", "subtask")
    for kind in ("created", "updated", "completed", "deleted")
] + ["agent.blocked", "agent.message"]
FIELDS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=10)


def _is_well_formed(parsed: Parsed) -> None:
    assert parsed.event is None or parsed.control is None
    assert parsed.event or parsed.control or parsed.problems
    for problem in parsed.problems:
        problem.encode("utf-8")
        assert 0 < len(problem) < 500
    if parsed.event is not None:
        parsed.event.model_dump_json().encode("utf-8")
        type(parsed.event).model_validate(parsed.event.model_dump())


@given(st.binary())
def test_any_bytes(raw: bytes) -> None:
    _is_well_formed(_read(raw))


@given(JSON)
def test_any_json(value: object) -> None:
    _is_well_formed(_parse(value))


@given(st.sampled_from(KINDS), FIELDS, FIELDS)
def test_any_fields_in_the_design_dialect(kind: str, outer: dict[str, Any], payload: dict[str, Any]) -> None:
    _is_well_formed(_parse({**outer, "event_type": kind, "payload": payload}))


@given(st.sampled_from(KINDS), FIELDS)
def test_any_fields_in_the_flat_dialect(kind: str, fields: dict[str, Any]) -> None:
    parsed = _parse({**fields, "event": kind})
    _is_well_formed(parsed)
    if isinstance(parsed.event, NodeDescribed):
        assert parsed.event.kind == kind


@given(st.sampled_from(["welcome", "subscribed", "ack", "nack", "pong", "error"]), FIELDS)
def test_any_control_message(kind: str, fields: dict[str, Any]) -> None:
    _is_well_formed(_parse({**fields, "type": kind}))
