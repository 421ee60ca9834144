"""Result files that agents write."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.protocol.reports import Completion
from actors.workdir import WorkDir
from actors.workdir.results import (
    MAX_RESULT,
    WRONG_NAME,
    ResultFile,
    ResultProblem,
    _breaks_off,
    is_meant,
    read_result,
)


def _read(workdir: WorkDir, content: object, name: str = "task_result_A.json") -> ResultFile | ResultProblem:
    path = workdir.path / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = read_result(path)
    assert found is not None
    return found


def _problem(workdir: WorkDir, content: object, name: str = "task_result_A.json") -> ResultProblem:
    found = _read(workdir, content, name)
    assert isinstance(found, ResultProblem)
    return found


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ({}, Completion()),
        ({"status": "success", "summary": "s"}, Completion(summary="s")),
        (
            {
                "status": "Completed",
                "completion_summary": "s",
                "insights_found": ["i", 2],
                "files_modified": ["a.py"],
                "agent": "coder",
                "more": {},
            },
            Completion(summary="s", insights=("i", "2"), files=("a.py",)),
        ),
        ({"insights": "one", "files": "a.py"}, Completion(insights=("one",), files=("a.py",))),
        ({"status": "failed", "reason": "no compiler"}, "no compiler"),
        ({"status": "blocked", "error": "no key"}, "no key"),
        ({"status": "FAILED", "summary": "tried"}, "tried"),
        ({"status": " error "}, "the result says error"),
    ],
)
def test_what_a_result_may_say(workdir: WorkDir, content: dict[str, Any], outcome: Completion | str) -> None:
    found = _read(workdir, content)
    assert isinstance(found, ResultFile)
    assert (found.subtask_id, found.outcome, found.problems) == ("A", outcome, ())


def test_wrong_types_are_dropped_and_named(workdir: WorkDir) -> None:
    found = _read(workdir, {"status": "success", "summary": {}, "insights": [[], "kept"], "files": {}})
    assert isinstance(found, ResultFile)
    assert found.outcome == Completion(insights=("kept",))
    assert found.problems == (
        "summary: an object is no text",
        "insights: a list is no text",
        "files: an object is no text",
    )


def test_halves_of_surrogate_pairs_do_no_harm(workdir: WorkDir) -> None:
    found = _read(workdir, rb'{"summary": "a\ud800b"}')
    assert isinstance(found, ResultFile)
    assert found.outcome == Completion(summary="a\ufffdb")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1]", "not a JSON object"),
        (b'"done"', "not a JSON object"),
        ({"status": "perhaps"}, "unknown status 'perhaps'"),
        ({"status": "x" * 500}, f"unknown status '{'x' * 80}…'"),
        (b"status: success", "not JSON: "),
        (b'{"status": success}', "not JSON: "),
        (b"\xff\xfe{}", "not JSON: "),
        (b"[" * 5000, "not JSON: "),
        (b'{"a": NaN}', "not JSON: "),
    ],
)
def test_what_is_broken(workdir: WorkDir, content: object, reason: str) -> None:
    problem = _problem(workdir, content)
    assert problem.reason.startswith(reason)
    assert not problem.unfinished
    assert problem.head
    assert problem.stamp is not None


def test_what_breaks_off_is_unfinished(workdir: WorkDir) -> None:
    whole = json.dumps(
        {"status": "success", "summary": "ü😀\n", "n": [1.5, None]}, ensure_ascii=False
    ).encode()
    for length in range(len(whole)):
        assert _problem(workdir, whole[:length]).unfinished, whole[:length]
    assert isinstance(_read(workdir, whole), ResultFile)


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)),
    st.integers(0, 10_000),
    st.booleans(),
)
def test_every_beginning_of_json_breaks_off(
    value: dict[str, Any],
    length: int,
    ensure_ascii: bool,  # noqa: FBT001 - drawn
) -> None:
    whole = json.dumps(value, ensure_ascii=ensure_ascii).encode("utf-8", "replace")
    assert _breaks_off(whole[: length % len(whole)])


@given(st.binary(max_size=50))
def test_any_bytes_are_a_result_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "task_result_any.json"
    path.write_bytes(content)
    assert isinstance(read_result(path), ResultFile | ResultProblem)


def test_the_longest_and_what_is_longer(workdir: WorkDir) -> None:
    longest = json.dumps({"summary": "x" * (MAX_RESULT - 15)}).encode()
    assert len(longest) == MAX_RESULT
    assert isinstance(_read(workdir, longest), ResultFile)
    problem = _problem(workdir, longest + b" ")
    assert problem.reason == f"longer than {MAX_RESULT} bytes"
    assert len(problem.head) == 4096
    assert not problem.unfinished


@pytest.mark.parametrize("subtask", ["", " a", "x" * 201, "a\n", "a%0Ab"])
def test_a_name_without_a_valid_id(workdir: WorkDir, subtask: str) -> None:
    assert _problem(workdir, {}, f"task_result_{subtask}.json").reason == WRONG_NAME


def test_a_name_with_another_ending(workdir: WorkDir) -> None:
    for name in (
        "task_result_A",
        "task_result_A.txt",
        "task_result_A.JSON",
        "task_result_.json",
        "task_result_",
    ):
        problem = _problem(workdir, {}, name)
        assert problem.reason == WRONG_NAME
        assert problem.unfinished  # it may be moved to where it belongs in a moment
    (workdir.path / "task_result_old").mkdir()
    assert read_result(workdir.path / "task_result_old") is None


def test_a_name_that_something_is_being_written_under_is_not_meant() -> None:
    assert is_meant("task_result_A.json")
    assert is_meant("task_result_A.txt")
    assert is_meant("task_result_A.tmp.json")  # that is an id
    for name in (
        ".task_result_A.json.tmp",
        "task_result_A.json.tmp",
        "task_result_A.json.tmp.4711.1780000000",
        "task_result_A.json~",
        "other.json",
    ):
        assert not is_meant(name)


def test_what_is_no_file(workdir: WorkDir, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"status": "success", "summary": "s3cret"}')
    fifo, link, directory = (workdir.result_file(name) for name in ("fifo", "link", "directory"))
    os.mkfifo(fifo)
    link.symlink_to(secret)
    directory.mkdir()
    assert read_result(fifo) == ResultProblem("task_result_fifo.json is no ordinary file")
    assert read_result(link) == ResultProblem("task_result_link.json is a symlink")
    assert read_result(directory) == ResultProblem("task_result_directory.json is no ordinary file")
    assert read_result(workdir.result_file("gone")) is None


def test_a_file_of_somebody_else(workdir: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    workdir.result_file("A").write_text("{}")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert read_result(workdir.result_file("A")) == ResultProblem(
        "task_result_A.json belongs to somebody else"
    )
