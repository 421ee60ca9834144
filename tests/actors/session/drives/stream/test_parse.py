"""Tests of the parse boundary: each line of Claude's stream becomes facts or is skipped."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.protocol.deliveries import DeliveryState
from actors.protocol.sessions import Refusal
from actors.session.drive import (
    Acted,
    Answering,
    ApiFailed,
    BackgroundChanged,
    BackgroundTask,
    Fact,
    Limited,
    MessageMoved,
    Noise,
    Refused,
    Retrying,
    RunningChanged,
    TurnBegan,
    TurnOver,
    Unproven,
)
from actors.session.drives.stream.parse import (
    LONGEST_DELAY,
    StreamParser,
    interrupt_request,
    user_message,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *("uuid", "command_uuid", "state", "isReplay", "subtype", "mcp_servers", "error_status", "attempt"),
    *("retry_delay_ms", "error", "result", "is_error", "errors", "permission_denials", "total_cost_usd"),
    *("message", "is_api_error_message", "terminal_reason", "rate_limit_info"),
)
KINDS = ("assistant", "command_lifecycle", "rate_limit_event", "result", "system", "user")
KNOWN = {
    "state": st.sampled_from(["queued", "started", "completed", "cancelled"]),
    "subtype": st.sampled_from(["init", "api_retry", "success"]),
}


def parse(**fields: Any) -> Fact | None:
    """Return the fact in a line, without what is for the feed only."""
    return only(StreamParser().parse(json.dumps(fields).encode()))


def only(facts: tuple[Fact, ...]) -> Fact | None:
    found = [fact for fact in facts if not isinstance(fact, Acted)]
    assert len(found) <= 1
    return found[0] if found else None


def story(*lines: dict[str, Any]) -> list[Fact]:
    """Return the facts in the lines of one process."""
    parser = StreamParser()
    return [fact for line in lines for fact in parser.parse(json.dumps(line).encode())]


def moved(uuid: str, state: str) -> dict[str, Any]:
    return {"type": "command_lifecycle", "command_uuid": uuid, "state": state}


def replay(uuid: str, *, fresh: bool = True) -> dict[str, Any]:
    time = {"timestamp": "2026-11-27T10:00:00Z"} if fresh else {}
    message = {"role": "user", "content": "hi"}
    return {"type": "user", "uuid": uuid, "isReplay": True, "message": message, **time}


def turn(*uuids: str) -> dict[str, Any]:
    return {"type": "system", "subtype": "init", "user_message_uuids": list(uuids)}


QUEUED = MessageMoved(uuid="u", state=DeliveryState.ACCEPTED, receipt="lifecycle:queued")
ARRIVED = MessageMoved(uuid="u", state=DeliveryState.STARTED, receipt="replay")


@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_a_message_has_arrived_when_it_is_replayed_after_it_was_started(end: str) -> None:
    facts = story(moved("u", "queued"), moved("u", "started"), turn("u"), replay("u"), moved("u", end))
    over = MessageMoved(uuid="u", state=DeliveryState.COMPLETED, receipt=f"lifecycle:{end}")
    assert facts == [QUEUED, TurnBegan(), ARRIVED, over]


def test_one_that_joins_a_turn_is_replayed_before_it_is_started() -> None:
    assert story(turn("t"), moved("u", "queued"), replay("u"), moved("u", "started")) == [
        TurnBegan(),
        QUEUED,
        ARRIVED,
    ]


def test_of_those_that_are_joined_to_one_only_the_last_is_replayed_with_a_time() -> None:
    facts = story(
        replay("a", fresh=False),
        *(moved(each, "started") for each in ("a", "b")),
        turn("a", "b"),
        replay("b"),
    )
    assert [fact.uuid for fact in facts if isinstance(fact, MessageMoved)] == ["a", "b"]


@pytest.mark.parametrize("end", ["completed", "cancelled"])
@pytest.mark.parametrize(
    "lines",
    [
        [moved("u", "started"), turn("u")],  # a hook has stopped it
        [replay("u", fresh=False)],  # a copy of one that an earlier process has had
        [replay("u", fresh=False), moved("u", "started"), turn("u", "v")],  # a hook has stopped both
        [replay("u")],  # it never left the queue
    ],
)
def test_a_life_cycle_alone_proves_nothing_and_a_replay_alone_neither(
    lines: list[dict[str, Any]], end: str
) -> None:
    facts = [fact for fact in story(*lines, moved("u", end)) if not isinstance(fact, TurnBegan)]
    assert facts == [Unproven(uuid="u")]


def test_a_copy_of_a_message_that_is_known_says_nothing() -> None:
    before = [moved("u", "started"), turn("u"), replay("u"), moved("u", "completed")]
    assert story(*before, replay("u", fresh=False)) == story(*before)


def test_a_state_of_a_message_that_is_not_known_is_skipped() -> None:
    assert story(moved("u", "reconsidered")) == []


def test_the_result_of_a_tool_is_no_replay() -> None:
    result = {"type": "user", "uuid": "u", "message": {"role": "user", "content": [{"type": "tool_result"}]}}
    assert [fact for fact in story(result) if not isinstance(fact, Acted)] == []


@pytest.mark.parametrize(("kind", "is_kept"), [("blocked_by_hook", False), ("stopped_by_hook", True)])
def test_a_hook_that_stops_a_message(kind: str, *, is_kept: bool) -> None:
    outcome = {"kind": kind, "prompt_kept": is_kept, "reason": "nope"}
    fact = parse(type="system", subtype="informational", content="…", prompt_submit_outcome=outcome)
    assert fact == Refused(reason="nope", is_kept=is_kept)
    assert parse(type="system", subtype="informational", content="by the way") is None


def test_work_in_the_background_and_whether_a_turn_runs() -> None:
    tasks = [{"task_id": "b1", "description": "npm test", "task_type": "local_bash"}, {"task_id": "b2"}, "?"]
    fact = parse(type="system", subtype="background_tasks_changed", tasks=tasks)
    assert fact == BackgroundChanged(
        tasks=(BackgroundTask(id="b1", description="npm test"), BackgroundTask(id="b2", description="None"))
    )
    assert [
        parse(type="system", subtype="session_state_changed", state=state)
        for state in ("idle", "running", "requires_action")
    ] == [RunningChanged(is_running=False), RunningChanged(is_running=True), RunningChanged(is_running=True)]


def test_a_result_without_a_turn_of_the_model() -> None:
    assert parse(type="result", is_error=False, num_turns=0, result="") == TurnOver(was_asked=False)
    failed = parse(type="result", is_error=True, num_turns=0, errors=["no"])
    assert isinstance(failed, TurnOver)
    assert failed.was_asked


@pytest.mark.parametrize("line", [b"%s", b"(node:7) warning: %s", b"\x1b[0m%s", b'{"x": %s', b"%s trailing"])
def test_noise_around_an_event_does_not_hide_it(line: bytes) -> None:
    event = json.dumps(moved("u", "queued")).encode()
    assert StreamParser().parse(line.replace(b"%s", event)) == (QUEUED,)


def test_a_turn_begins_and_names_the_servers_that_are_missing() -> None:
    servers = [{"name": "coordinator", "status": "failed"}, {"name": "other", "status": "connected"}]
    assert parse(type="system", subtype="init", mcp_servers=servers) == TurnBegan(
        tools_missing=("coordinator",)
    )
    assert parse(type="system", subtype="init") == TurnBegan()


def test_the_model_answers_and_an_error_put_into_its_mouth_is_no_answer() -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}
    assert parse(type="assistant", message=message) == Answering()
    error = {"is_api_error_message": True, "error": "billing_error"}
    assert parse(type="assistant", message=message, **error) == ApiFailed(kind="billing_error")


@pytest.mark.parametrize(
    ("info", "until"),
    [
        ({"status": "rejected", "resetsAt": 1_800_000_000, "rateLimitType": "five_hour"}, 1_800_000_000.0),
        ({"status": "allowed_warning", "resetsAt": 1_800_000_000}, None),
        ({"status": "rejected"}, None),
        ({"status": "rejected", "resetsAt": "3pm"}, None),
    ],
)
def test_the_accounts_limit_and_when_it_ends(info: dict[str, Any], until: float | None) -> None:
    assert parse(type="rate_limit_event", rate_limit_info=info) == Limited(until=until)
    assert parse(type="rate_limit_event", rate_limit_info="?") is None


def test_a_retry() -> None:
    line = {"attempt": 2, "retry_delay_ms": 1500.5, "error_status": 429, "error": "rate_limit"}
    assert parse(type="system", subtype="api_retry", **line) == Retrying(
        status=429, attempt=2, seconds=1.5005, error="rate_limit"
    )
    dropped = parse(type="system", subtype="api_retry", attempt=1, error_status=None, error="unknown")
    assert dropped == Retrying(status=None, attempt=1, seconds=0.0, error="unknown")


def test_a_retry_in_words_and_no_wait_of_a_lifetime() -> None:
    limited = Retrying(status=429, attempt=2, seconds=1.5, error="rate_limit")
    assert limited.words == "the API answered 429 (rate_limit); attempt 2"
    dropped = Retrying(status=None, attempt=1, seconds=0.0, error="unknown")
    assert dropped.words == "the API can't be reached (unknown); attempt 1"
    for delay, seconds in ((1e300, LONGEST_DELAY), (-5000, 0.0)):
        fact = parse(type="system", subtype="api_retry", retry_delay_ms=delay)
        assert isinstance(fact, Retrying)
        assert fact.seconds == seconds


def test_a_turn_is_over() -> None:
    denials = [
        {"tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": "npm test", "description": "d"}},
        {"tool_name": "Write", "tool_input": {"content": "x" * 5000, "file_path": "/a"}},
        {"tool_name": "Odd", "tool_input": []},
        "?",
    ]
    fact = parse(
        type="result",
        subtype="success",
        is_error=False,
        result="Done.",
        total_cost_usd=0.25,
        permission_denials=denials,
    )
    denied = (Refusal(tool="Bash", input="npm test"), Refusal(tool="Write", input="/a"), Refusal(tool="Odd"))
    assert fact == TurnOver(text="Done.", denied=denied, cost_usd=0.25)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"subtype": "success", "result": "API Error: 500"}, "API Error: 500"),
        ({"subtype": "error_during_execution", "errors": ["aborted"]}, "['aborted']"),
        ({"subtype": "error_during_execution", "terminal_reason": "aborted_tools"}, "aborted_tools"),
        ({"subtype": "error_max_turns"}, "error_max_turns"),
    ],
)
def test_a_turn_that_failed_says_why_and_what_it_said_is_no_text_of_claudes(
    fields: dict[str, Any], error: str
) -> None:
    assert parse(type="result", is_error=True, **fields) == TurnOver(text="", error=error)


def test_text_that_is_no_json_is_noise() -> None:
    assert StreamParser().parse(b"\x1b[31mwarning: \xff\n") == (Noise(text="\x1b[31mwarning: \ufffd"),)
    assert StreamParser().parse(b'{"type":"assistant","message":{"content":[{"te') != ()
    assert StreamParser().parse(b"x" * 5000) == (Noise(text="x" * 1000),)


@pytest.mark.parametrize(
    "line", [b"", b"  ", b"\r", b"null", b"[]", b"5", b'"text"', b"{}", b'{"type":"news"}']
)
def test_what_says_nothing_is_skipped(line: bytes) -> None:
    assert StreamParser().parse(line) == ()


def test_half_a_surrogate_pair_in_a_text_hides_nothing_of_the_line() -> None:
    """A text that is cut in JavaScript may end in half an emoji, which JSON.stringify writes as an escape."""
    facts = StreamParser().parse(rb'{"type":"result","is_error":false,"result":"cut \ud83d"}')
    assert facts == (TurnOver(text="cut \ufffd"),)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(line: bytes) -> None:
    StreamParser().parse(line)


@given(
    st.sampled_from([*KINDS, "stream_event"]),
    st.fixed_dictionaries({}, optional={name: KNOWN.get(name, st.nothing()) | JSON for name in FIELDS}),
)
@example("system", {"subtype": "api_retry", "attempt": "many", "error_status": "?", "retry_delay_ms": "soon"})
@example("system", {"subtype": "init", "mcp_servers": 5})
@example("rate_limit_event", {"rate_limit_info": {"status": "rejected", "resetsAt": "soon"}})
@example("result", {"permission_denials": 5, "total_cost_usd": "much"})
@example("command_lifecycle", {"state": ["queued"], "command_uuid": None})
def test_no_type_in_any_field_makes_it_raise(kind: str, fields: dict[str, Any]) -> None:
    facts = StreamParser().parse(json.dumps({"type": kind, **fields}).encode())
    assert len(facts) <= 2


@given(st.text())
def test_a_message_is_one_line_and_holds_the_text_exactly(text: str) -> None:
    line = user_message("u", text)
    assert line.index(b"\n") == len(line) - 1
    assert orjson.loads(line) == {"type": "user", "uuid": "u", "message": {"role": "user", "content": text}}


def test_an_interruption_is_one_line_with_an_id() -> None:
    line = interrupt_request("r")
    assert line.index(b"\n") == len(line) - 1
    request = {"type": "control_request", "request_id": "r", "request": {"subtype": "interrupt"}}
    assert orjson.loads(line) == request


def test_the_version_and_what_began_a_turn() -> None:
    assert parse(type="system", subtype="init", claude_code_version="2.1.332") == TurnBegan(version="2.1.332")
    origins = [{"kind": "task-notification"}, {"kind": "peer"}, None, "peer", {}]
    turns = [parse(type="result", num_turns=1, result="", origin=origin) for origin in origins]
    assert [turn.origin for turn in turns if isinstance(turn, TurnOver)] == ["", "peer", "", "", ""]
