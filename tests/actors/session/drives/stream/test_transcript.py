"""Tests of reading a transcript: the messages that have arrived, and whether the last word is the model's."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.session.drive import Past
from actors.session.drives.stream.transcript import read_transcript
from tests.actors.session.drives.stream.test_parse import JSON

USER = {"type": "user", "uuid": "u1", "message": {"role": "user", "content": "hi"}}
RESULT = {"type": "user", "uuid": "r1", "message": {"role": "user", "content": [{"type": "tool_result"}]}}
ABSORBED = {
    "type": "attachment",
    "attachment": {"type": "queued_command", "source_uuid": "u2", "prompt": "x"},
}


def said(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"role": "assistant", "content": list(blocks)}, **fields}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


TOOL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}


def read(path: Path, *lines: Any, rest: bytes = b"") -> Past:
    file = path / "transcript.jsonl"
    file.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + rest)
    return read_transcript(file)


def test_without_a_transcript_nothing_has_arrived() -> None:
    assert read_transcript(None) == Past(arrived=set(), is_answered=True, last_text="")
    assert read_transcript(Path("/nonexistent/transcript.jsonl")) == Past()


def test_a_message_arrives_as_a_line_of_the_user_and_waits_for_its_answer(tmp_path: Path) -> None:
    found = read(tmp_path, {"type": "queue-operation", "operation": "enqueue", "content": "u9"}, USER)
    assert found == Past(arrived={"u1"}, is_answered=False)


def test_a_message_that_joined_a_turn_arrives_as_an_attachment(tmp_path: Path) -> None:
    found = read(tmp_path, USER, said(TOOL), RESULT, ABSORBED)
    assert {"u1", "u2"} <= found.arrived
    assert not found.is_answered
    assert read(tmp_path, USER, said(TOOL), RESULT, ABSORBED, said(text("Done."))).is_answered


def test_messages_that_waited_together_arrive_in_one_line(tmp_path: Path) -> None:
    merged = USER | {"mergedSendUuids": ["u2", "u3"]}
    assert read(tmp_path, merged) == Past(arrived={"u1", "u2", "u3"}, is_answered=False)


@pytest.mark.parametrize("merged", [None, "u2", {"u2": 1}, 7])
def test_what_is_no_list_of_them_is_none(tmp_path: Path, merged: Any) -> None:
    assert read(tmp_path, USER | {"mergedSendUuids": merged}).arrived == {"u1"}


@pytest.mark.parametrize("attachment", [None, "u2", {}, {"type": "file", "source_uuid": None}])
def test_other_attachments_are_no_messages(tmp_path: Path, attachment: Any) -> None:
    found = read(tmp_path, USER, said(text("Done.")), {"type": "attachment", "attachment": attachment})
    assert found == Past(arrived={"u1"}, is_answered=True, last_text="Done.")


def test_an_answer_is_the_last_word(tmp_path: Path) -> None:
    found = read(tmp_path, USER, said(text("One.")), USER, said(text("Two."), text("Three.")))
    assert (found.is_answered, found.last_text) == (True, "Two.\nThree.")


def test_a_tool_in_use_or_its_result_is_not_the_last_word(tmp_path: Path) -> None:
    assert not read(tmp_path, USER, said(text("I look.")), said(TOOL)).is_answered
    found = read(tmp_path, USER, said(text("I look.")), said(TOOL), RESULT)
    assert (found.is_answered, found.last_text) == (False, "I look.")


def test_an_error_of_the_api_is_no_answer(tmp_path: Path) -> None:
    assert not read(tmp_path, USER, said(text("API Error: 500"), isApiErrorMessage=True)).is_answered


def test_a_torn_last_line_and_lines_that_are_no_objects_are_skipped(tmp_path: Path) -> None:
    found = read(tmp_path, USER, 5, None, [], "x", rest=b'{"type":"user","uuid":"u3","mess')
    assert found == Past(arrived={"u1"}, is_answered=False)


def test_half_a_surrogate_pair_hides_nothing_of_the_line(tmp_path: Path) -> None:
    line = rb'{"type":"user","uuid":"u4","message":{"content":"\ud83d"}}' + b"\n"
    assert read(tmp_path, rest=line).arrived == {"u4"}


@given(st.lists(st.sampled_from(["user", "assistant", "attachment", "system"]).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"type": st.just(kind)},
        optional={
            "uuid": JSON,
            "attachment": JSON | st.fixed_dictionaries({"source_uuid": JSON}),
            "message": JSON | st.fixed_dictionaries({"content": JSON}),
        },
    )
), max_size=4))  # fmt: skip
@example([{"type": "assistant", "message": {"content": 5}}])
@example([{"type": "assistant", "message": 5}])
def test_no_type_in_any_field_makes_it_raise(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Any]
) -> None:
    read(tmp_path_factory.getbasetemp(), *lines)
