"""Tests of permissions: tools that run, that are denied, and that the host is asked about."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.harness import Claude, Event, Run
from tests.contract.messages import message, say

EDITS = ("--permission-mode", "acceptEdits")


def test_with_nobody_to_ask_it_is_denied_and_listed(claude: Claude) -> None:
    run = claude.start()

    a = run.send(message({"bash": f"touch {claude.home}/touched"}, say("after")))
    story = run.finish(a)

    assert story[4:] == [
        *["uses Bash", "permission_denied Bash", "tool failed", "says after"],
        *["result A completed", "A completed"],
    ]
    (denial,) = run.wait_result()["permission_denials"]
    assert denial["tool_name"] == "Bash"
    assert denial["tool_input"]["command"] == f"touch {claude.home}/touched"
    assert not (claude.home / "touched").exists()


def test_an_allowed_tool_runs(claude: Claude) -> None:
    run = claude.start("--allowedTools", "Bash")

    a = run.send(message({"bash": f"touch {claude.home}/touched"}))
    run.finish(a)

    assert run.wait_result()["permission_denials"] == []
    assert (claude.home / "touched").exists()


@pytest.mark.parametrize("inside", ["the work directory", "an added directory"])
def test_accept_edits_reads_and_writes_inside(claude: Claude, tmp_path: Path, inside: str) -> None:
    place = claude.cwd if inside == "the work directory" else tmp_path / "added"
    place.mkdir(exist_ok=True)
    run = claude.start(*EDITS, "--add-dir", str(tmp_path / "added"))

    a = run.send(message(_write(place / "new"), _read(place / "new"), {"bash": f"touch {place}/touched"}))
    story = run.finish(a)

    assert story.count("tool done") == 3
    assert (place / "new").read_text() == "text"
    assert (place / "touched").exists()


def test_a_rule_lets_it_write_certain_files_outside(claude: Claude, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    run = claude.start(*EDITS, "--allowedTools", f"Edit(/{outside}/result_*.json)")

    a = run.send(message(_write(outside / "result_1.json"), _write(outside / "other.json")))
    run.finish(a)

    assert (outside / "result_1.json").read_text() == "text"
    assert not (outside / "other.json").exists()
    assert [each["tool_name"] for each in run.wait_result()["permission_denials"]] == ["Write"]


def test_accept_edits_stops_at_the_work_directory(claude: Claude, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "old").write_text("old")
    run = claude.start(*EDITS)

    a = run.send(message(_write(outside / "new"), _read(outside / "old")))
    run.finish(a)

    denied = [denial["tool_name"] for denial in run.wait_result()["permission_denials"]]
    assert denied == ["Write", "Read"]
    assert not (outside / "new").exists()


def test_accept_edits_does_not_run_any_command(claude: Claude) -> None:
    run = claude.start(*EDITS)

    a = run.send(message({"bash": "python3 -c 'print(1)'"}))
    run.finish(a)

    assert [denial["tool_name"] for denial in run.wait_result()["permission_denials"]] == ["Bash"]


def test_tools_names_the_tools_that_there_are(claude: Claude) -> None:
    run = claude.start("--tools", "Bash,Read")

    a = run.send(message(_write(claude.cwd / "new")))
    story = run.finish(a)

    assert run.wait(lambda event: event.get("subtype") == "init")["tools"] == ["Bash", "Read"]
    assert "says (no such tool: Write)" in story


def test_a_host_is_asked_and_may_allow_with_another_input(claude: Claude) -> None:
    run = claude.start("--permission-prompt-tool", "stdio")

    a = run.send(message({"bash": f"touch {claude.cwd}/asked"}, say("after")))
    request = _wait_for_question(run)
    updated = request["request"]["input"] | {"command": f"touch {claude.cwd}/allowed"}
    _answer(run, request, {"behavior": "allow", "updatedInput": updated})
    story = run.finish(a)

    assert story[4:] == [
        "uses Bash",
        "control_request",
        "control_response",
        "tool done",
        "says after",
        "result A completed",
        "A completed",
    ]
    assert (claude.cwd / "allowed").exists()
    assert not (claude.cwd / "asked").exists()


def test_a_host_is_asked_and_may_deny(claude: Claude) -> None:
    run = claude.start("--permission-prompt-tool", "stdio")

    a = run.send(message({"bash": f"touch {claude.cwd}/asked"}, say("after")))
    request = _wait_for_question(run)
    _answer(run, request, {"behavior": "deny", "message": "not today"})
    story = run.finish(a)

    assert story[4:] == [
        "uses Bash",
        "control_request",
        "control_response",
        "tool failed",
        "says after",
        "result A completed",
        "A completed",
    ]
    assert [denial["tool_name"] for denial in run.wait_result()["permission_denials"]] == ["Bash"]
    assert not (claude.cwd / "asked").exists()


def _write(path: Path) -> dict[str, Any]:
    return {"write": {"file_path": str(path), "content": "text"}}


def _read(path: Path) -> dict[str, Any]:
    return {"call": {"tool": "Read", "input": {"file_path": str(path)}}}


def _wait_for_question(run: Run) -> Event:
    request = run.wait(lambda event: event["type"] == "control_request")
    assert request["request"]["subtype"] == "can_use_tool"
    assert request["request"]["tool_name"] == "Bash"
    assert request["request"]["tool_use_id"]
    return request


def _answer(run: Run, request: Event, response: Event) -> None:
    answer = {"subtype": "success", "request_id": request["request_id"], "response": response}
    run.write({"type": "control_response", "response": answer})
