"""Tests of the program's end, and of refusals to start."""

import os
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.contract.harness import STREAM, Claude
from tests.contract.messages import message, say


def test_sigterm_when_idle(claude: Claude) -> None:
    run = claude.start()
    a = run.send(message(say("hi")))
    run.wait_state(a, "completed")

    assert run.terminate() == 143


def test_sigterm_ends_the_tool_too(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")
    pid_file = claude.cwd / "pid"
    a = run.send(message({"bash": f"echo $$ > {pid_file}; until [ -e {gate} ]; do sleep 0.05; done"}))
    run.wait_tool()
    claude.look_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))

    assert run.terminate() == 143

    claude.look_until(lambda: not Path("/proc", pid_file.read_text().strip()).exists())
    assert run.states(a) == ["queued", "started"]


def test_a_crash_leaves_the_tool_alive(claude: Claude, gate: Path) -> None:
    run = claude.start("--allowedTools", "Bash")
    pid_file, ended = claude.cwd / "pid", claude.cwd / "ended"
    run.send(
        message({"bash": f"echo $$ > {pid_file}; until [ -e {gate} ]; do sleep 0.05; done; touch {ended}"})
    )
    claude.look_until(pid_file.exists)

    os.killpg(run.process.pid, signal.SIGKILL)
    run.wait_exit()
    gate.touch()

    claude.look_until(ended.exists)


def test_the_end_of_input_works_off_what_is_queued(claude: Claude) -> None:
    run = claude.start()
    a = run.send(message({"sleep": 0.3}, say("first")))
    b = run.send(message(say("second")))
    run.wait_state(b, "queued")

    run.end_input()

    assert run.wait_exit() == 0
    assert run.states(a) == run.states(b) == ["queued", "started", "completed"]


@pytest.mark.parametrize(("next_one", "code"), [(False, 1), (True, 0)])
def test_the_exit_code_tells_how_the_last_turn_ended(claude: Claude, code: int, *, next_one: bool) -> None:
    run = claude.start_failing(500, retries=1, recovers=False)
    a = run.send(message(say("fails")))
    run.wait_state(a, "cancelled")
    if next_one:
        run.wait_state(run.send(message(say("works"))), "completed")

    run.end_input()

    assert run.wait_exit() == code


def test_the_last_thing_on_the_terminal_is_no_event(claude: Claude) -> None:
    run = claude.start()
    a = run.send(message(say("hi")))
    run.finish(a)

    assert run.raw == ["\x1b[?25h"]


def test_a_line_that_is_no_json_ends_it(claude: Claude) -> None:
    run = claude.start()

    run.write_raw(b"this is no JSON\n")

    assert run.wait_exit() == 1
    assert b"Error parsing streaming input line" in run.stderr


def test_a_terminal_on_stdin_is_refused(claude: Claude) -> None:
    master, slave = os.openpty()
    with os.fdopen(master, "rb"), os.fdopen(slave, "rb") as stdin:
        done = subprocess.run(
            [*claude.command, *STREAM],
            stdin=stdin,
            capture_output=True,
            cwd=claude.cwd,
            env=claude.environment,
            timeout=20,
            check=False,
        )

    assert done.returncode == 1
    assert b"Error: Input must be provided either through stdin" in done.stderr


def test_a_session_in_use_is_refused(claude: Claude) -> None:
    run = claude.start()
    a = run.send(message(say("hi")))
    run.finish(a)

    again = claude.start()

    assert again.wait_exit() == 1
    assert f"Error: Session ID {claude.session} is already in use." in again.stderr.decode()
    assert again.story() == []


def test_an_unknown_session_cannot_be_resumed(claude: Claude) -> None:
    claude.session = str(uuid.uuid4())

    run = claude.start(resume=True)

    assert run.wait_exit() == 1
    assert f"No conversation found with session ID: {claude.session}" in run.stderr.decode()
    (result,) = run.events
    assert (result["type"], result["subtype"], result["is_error"]) == (
        "result",
        "error_during_execution",
        True,
    )


def test_a_session_id_that_is_no_uuid_is_refused(claude: Claude) -> None:
    claude.session = "not-a-uuid"

    run = claude.start()

    assert run.wait_exit() == 1
    assert b"Invalid session ID" in run.stderr


def test_a_missing_prompt_file_is_refused(claude: Claude) -> None:
    run = claude.start("--append-system-prompt-file", str(claude.home / "missing.md"))

    assert run.wait_exit() == 1
    assert b"Append system prompt file not found" in run.stderr


@pytest.mark.parametrize("flag", ["--append-system-prompt", "--model"])
def test_flags_that_it_takes(claude: Claude, flag: str) -> None:
    run = claude.start(flag, "some-value")
    a = run.send(message(say("hi")))

    assert run.finish(a)[-1] == "A completed"
