"""Tests of the stand-in's faults, each as a coordinator meets it, and of its version."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from actors.scripted_claude.faults import KNOWN
from tests.contract.harness import Claude, Run
from tests.contract.messages import message, say


def _start(claude: Claude, *arguments: str, resume: bool = False, **faults: Any) -> Run:
    return claude.start(*arguments, resume=resume, env={"SCRIPTED_CLAUDE_FAULTS": json.dumps(faults)})


def test_it_is_honest_about_what_it_is(scripted: Claude) -> None:
    version = subprocess.run(
        [*scripted.command, "--version"], capture_output=True, check=True, timeout=20
    ).stdout
    run = scripted.start()
    a = run.send(message(say("hi")))
    run.finish(a)

    assert version == b"2.1.332 (scripted stand-in, not Claude)\n"
    assert run.wait(lambda event: event.get("subtype") == "init")["scripted"] is True


def test_it_imports_nothing_but_the_standard_library(scripted: Claude) -> None:
    """It is run without site-packages at all, so that it begins at once."""
    assert scripted.command[1:3] == ["-I", "-S"]


def test_an_unknown_fault_is_refused(scripted: Claude) -> None:
    run = _start(scripted, crash_sometimes=1)

    assert run.wait_exit() == 1
    assert b"unknown faults ['crash_sometimes']" in run.stderr


def test_exit_on_start(scripted: Claude) -> None:
    assert _start(scripted, exit_on_start=7).wait_exit() == 7


@pytest.mark.parametrize(
    ("fault", "states", "in_transcript"),
    [
        ("crash_before_receipt", [], False),
        ("crash_before_transcript", ["queued", "started"], False),
        ("crash_after_started", ["queued", "started"], True),
        ("crash_before_result", ["queued", "started"], True),
    ],
)
def test_crashes_happen_once_a_session(
    scripted: Claude, fault: str, states: list[str], *, in_transcript: bool
) -> None:
    # Given a crash at the second message
    env = {"SCRIPTED_CLAUDE_FAULTS": json.dumps({fault: 2})}
    run = scripted.start(env=env)
    first = run.send(message(say("first")))
    run.wait_state(first, "completed")

    # When it comes
    text = message(say("second"))
    second = run.send(text)

    # Then it dies as by SIGKILL, with just so much said and written
    assert run.wait_exit() == -signal.SIGKILL
    assert run.states(second) == states
    assert (second in scripted.known_ids()) == in_transcript

    # And the resumed session works, though the fault is still switched on
    again = scripted.start(resume=True, env=env)
    third = again.send("continue")
    again.wait_state(third, "completed")
    again.send(text, second)
    assert again.finish(third, second)[-1] == "B completed"


def test_lose_message(scripted: Claude) -> None:
    run = _start(scripted, lose_message=1)
    text = message(say("hi"))

    lost = run.send(text)
    other = run.send(message(say("other")))
    run.wait_state(other, "completed")
    assert run.states(lost) == []

    run.send(text, lost)
    assert run.finish(lost)[-1] == "A completed"


def test_no_receipts(scripted: Claude) -> None:
    run = _start(scripted, no_receipts=True)

    run.send(message(say("hi")))
    run.wait_result()
    run.end_input()
    run.wait_exit()

    assert [line.split()[0] for line in run.story()] == ["init", "says", "result"]


def test_late_receipts(scripted: Claude) -> None:
    run = _start(scripted, late_receipts=0.3)

    a = run.send(message(say("hi")))
    story = run.finish(a)

    assert story.index("says hi") < story.index("A queued")
    assert set(run.states(a)) == {"queued", "started", "completed"}


def test_stop_reading_until_it_is_continued(scripted: Claude) -> None:
    run = _start(scripted, stop_reading=1)

    a = run.send(message(say("first")))
    run.wait_state(a, "completed")
    b = run.send(message(say("second")))
    with pytest.raises(AssertionError):
        run.wait(lambda event: event.get("command_uuid") == b, timeout=0.3)
    run.process.send_signal(signal.SIGCONT)

    assert run.finish(a, b)[-1] == "B completed"


def test_garbage_line(scripted: Claude) -> None:
    run = _start(scripted, garbage_line=1)
    a = run.send(message(say("hi")))

    assert run.finish(a)[-1] == "A completed"
    assert run.raw == ["this is no JSON \x1b[31m", "\x1b[?25h"]


def test_half_line_then_exit(scripted: Claude) -> None:
    run = _start(scripted, half_line_then_exit=1)
    run.send(message(say("hi")))

    assert run.wait_exit() == 1
    assert run.raw == ['{"type":"assistant","message":{"content":[{"type":"te']


def test_stderr_noise(scripted: Claude) -> None:
    run = _start(scripted, stderr_noise="a warning")
    a = run.send(message(say("hi")))
    run.finish(a)

    assert run.stderr == b"a warning\n"


def test_result_error_and_api_retry(scripted: Claude) -> None:
    retry = {"attempts": 2, "error_status": 429, "retry_delay_ms": 1}
    run = _start(scripted, api_retry=retry, result_error={"text": "API Error: 429", "status": 429})
    a = run.send(message(say("hi")))

    assert run.finish(a)[3:6] == ["api_retry 429", "api_retry 429", "replay A"]
    assert run.wait_result()["result"] == "API Error: 429"


def test_a_usage_limit_says_when_it_ends(scripted: Claude) -> None:
    run = _start(scripted, result_error={"status": 429, "limit_seconds": 3600})
    before = time.time()
    a = run.send(message(say("hi")))
    run.finish(a)

    info = run.wait(lambda event: event["type"] == "rate_limit_event")["rate_limit_info"]
    assert info["status"] == "rejected"
    assert before + 3599 <= info["resetsAt"] <= time.time() + 3600


def test_close_terminal(scripted: Claude) -> None:
    run = _start(scripted, close_terminal=1)
    a = run.send(message(say("hi")))
    run.wait_closed()

    assert run.process.poll() is None
    assert run.states(a) == ["queued", "started"]


def test_deny_tool(scripted: Claude) -> None:
    run = _start(scripted, "--allowedTools", "Bash", deny_tool=["Bash"])
    a = run.send(message({"bash": "echo hi"}))

    assert "permission_denied Bash" in run.finish(a)


def test_hang_in_turn_until_it_is_interrupted(scripted: Claude) -> None:
    run = _start(scripted, hang_in_turn=1)
    a = run.send(message(say("hi")))
    run.wait(lambda event: event.get("subtype") == "init")
    run.interrupt()

    assert run.finish(a)[-1] == "A cancelled"
    assert "says hi" not in run.story()


def test_ignore_sigterm(scripted: Claude) -> None:
    run = _start(scripted, ignore_sigterm=True)
    a = run.send(message(say("first")))
    run.wait_state(a, "completed")

    run.process.send_signal(signal.SIGTERM)
    b = run.send(message(say("second")))

    assert run.finish(a, b)[-1] == "B completed"


def test_sleeps_through_the_end_of_a_background_command(scripted: Claude, gate: Path) -> None:
    run = _start(scripted, "--allowedTools", "Bash", sleeps_through=True)
    a = run.send(message({"background": f"until [ -e {gate} ]; do sleep 0.05; done"}, say("started")))
    run.wait_state(a, "completed")
    gate.touch()
    run.wait(lambda event: event.get("subtype") == "background_tasks_changed" and not event["tasks"])

    assert run.finish(a).count("result A completed") == 1
    assert sum(event["type"] == "result" for event in run.events) == 1


def test_every_fault_is_documented_and_tested() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert all(about for about in KNOWN.values())
    assert [name for name in KNOWN if name not in tests] == []
