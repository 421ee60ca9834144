"""Tests of the command line as users have it: programs, exit codes, and files."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.claude import ROOT, real_claude, real_environment
from tests.e2e.program import closed_environment, create, errors_of, main, running, wait_for
from tests.forked import Forked
from tools.common.model_api import ModelApi

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return a minimal environment with the scripted stand-in as claude."""
    return closed_environment(tmp_path)


TWO_STEPS = """
- title: Design it
  agent: architect-agent
  details: Short.
- title: Code it
  agent: coding-agent
  details: Well.
  depends_on: [Design it]
"""


def test_the_demo_finishes_by_itself_and_says_that_it_is_a_simulation(environment: dict[str, str]) -> None:
    done = main(environment, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This is a simulation" in done.stdout
    for word in (
        "Design schema",
        "architect-agent",
        "Write tests",
        "dependency_completed",
        "lifecycle:completed",
        "the whole task",
        "you can delete them",
    ):
        assert word in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.endswith(":")]


def test_a_demo_that_cannot_finish_says_why(environment: dict[str, str]) -> None:
    done = main(environment | {"SCRIPTED_CLAUDE_FAULTS": '{"hang_in_turn": 1}'}, "demo", "--timeout", "2.5")
    assert done.returncode == 1
    assert "Not finished: it took longer than 2.5 s" in done.stdout


def test_the_real_demo_needs_a_claude(environment: dict[str, str]) -> None:
    done = main(environment | {"CLAUDE_COMMAND": "no-such-claude"}, "demo", "--real")
    assert done.returncode == 2
    assert "no-such-claude" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("WS_URL", "http://x", "WS_URL: must look like ws://"),
        ("MAX_QUEUE_SIZE", "0", "MAX_QUEUE_SIZE"),
        ("AUTO_START_SESSIONS", "perhaps", "AUTO_START_SESSIONS"),
        ("PROJECT_DIR", "/no/such/place", "PROJECT_DIR: /no/such/place is not a directory"),
        ("CLAUDE_COMMAND", "no-such-claude --x", "CLAUDE_COMMAND: there is no program 'no-such-claude'"),
        ("CLAUDE_COMMAND", "unclosed '", "CLAUDE_COMMAND: No closing quotation"),
        ("WORK_DIR", "/dev/null", "not a directory"),
    ],
)
def test_a_wrong_value_is_a_clear_message_before_anything_starts(
    environment: dict[str, str], name: str, value: str, told: str
) -> None:
    done = main(environment | {name: value}, "run")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_all_settings_are_in_the_help(environment: dict[str, str]) -> None:
    helped = main(environment, "run", "--help").stdout
    for option in ("--ws-url", "--work-dir", "--auto-start-sessions", "--max-queue-size", "--claude-command"):
        assert option in helped
    assert "WS_TOKEN" in helped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_everything_in_order_and_loses_nothing(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with running(environment | {"SCRIPTED_CLAUDE_FAULTS": '{"hang_in_turn": 1}'}) as process:
        create(environment, TWO_STEPS)
        wait_for(environment, "session.working")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2  # the backend and a claude
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert psutil.wait_procs(children, timeout=1)[1] == []
    # When it is started again, it goes on where it was
    with running(environment) as process:
        wait_for(environment, "subtask.completed", 2)
        process.terminate()
        process.wait(timeout=10)


def test_a_program_learns_from_the_log_when_it_is_ready_and_when_it_has_stopped(
    environment: dict[str, str],
) -> None:
    process = start(environment | {"LOG_FORMAT": "json"}, "run")
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == "coordinator_ready":
            process.terminate()
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0
    (ready,) = [line for line in lines if line["event"] == "coordinator_ready"]
    assert (ready["level"], ready["pid"], ready["work_dir"]) == ("info", process.pid, environment["WORK_DIR"])
    assert ready["gateway"].startswith("http://127.0.0.1:")
    assert (lines[-1]["event"], lines[-1]["gave_up"]) == ("coordinator_stopped", False)


def interrupt(process: Forked) -> int:
    """Interrupt a program until it ends, as people do. A second signal right after the first counts as the same."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.2)
    raise AssertionError("it did not stop at once")


def test_a_second_interrupt_stops_at_once(environment: dict[str, str]) -> None:
    faults = '{"ignore_sigterm": true, "hang_in_turn": 1}'  # an orderly stop takes seconds
    with running(environment | {"SCRIPTED_CLAUDE_FAULTS": faults}) as process:
        create(environment, TWO_STEPS)
        wait_for(environment, "session.working")
        children = psutil.Process(process.pid).children(recursive=True)
        assert interrupt(process) == 130
        assert psutil.wait_procs(children, timeout=2)[1] == []
        assert f"Ended at once; {len(children)} child processes" in errors_of(environment).read_text()


def test_a_second_coordinator_is_refused_with_the_pid_of_the_first(environment: dict[str, str]) -> None:
    with running(environment) as process:
        other = main(environment | {"EMBEDDED_PORT": "0"}, "run")
        assert other.returncode == 2
        assert f"pid {process.pid}" in other.stderr
        process.terminate()
        process.wait(timeout=10)


def test_a_port_in_use_is_named(environment: dict[str, str]) -> None:
    with running(environment):
        elsewhere = environment | {"WORK_DIR": environment["WORK_DIR"] + "-2"}
        other = main(elsewhere, "run")
        assert other.returncode == 2
        assert f"port {environment['EMBEDDED_PORT']} on 127.0.0.1 is in use" in other.stderr


def start(
    environment: dict[str, str], *words: str, stdout: "IO[str] | int" = subprocess.PIPE
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "actors.main", *words],
        env=environment, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_an_interrupt_while_it_is_being_loaded_is_quiet(environment: dict[str, str]) -> None:
    process = start(environment | {"PYTHONVERBOSE": "1"}, "status")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("import 'pydantic_settings"):  # half of it is loaded
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT  # a shell says 130
    assert "Traceback" not in err + out


def test_looking_at_it_and_talking_to_an_agent(environment: dict[str, str]) -> None:
    with running(environment) as process:
        create(environment, TWO_STEPS)
        wait_for(environment, "subtask.completed", 2)
        status = json.loads(main(environment, "status", "--all", "--json").stdout)
        assert status["coordinator"]["pid"] == process.pid
        assert status["backend"].startswith("open")
        assert {node["title"]: node["state"] for node in status["subtasks"]}["Code it"] == "completed"
        assert {agent["agent"] for agent in status["agents"]} == {"architect-agent", "coding-agent"}
        table = main(environment, "deliveries", "coding-agent").stdout
        assert "dependency_completed" in table
        assert "architect-agent" not in table
        sent = main(environment, "send", "coding-agent", "Well done.")
        assert sent.returncode == 0, sent.stderr
        assert "on its way" in sent.stdout
        wait_for(environment, "agent.message")
        assert "Well done." in main(environment, "history").stdout
        refused = main(environment, "send", "../escaped", "x")
        assert refused.returncode != 0
        # The short id that tables show is enough to ask for more.
        code_it = next(node["id"] for node in status["subtasks"] if node["title"] == "Code it")
        about = [
            json.loads(line)
            for line in main(environment, "history", code_it[:8], "--json").stdout.splitlines()
        ]
        assert {event["subject"] for event in about} == {code_it}
        again = main(environment, "retry", code_it[:8])
        assert (again.returncode, again.stderr) == (1, f"Subtask {code_it} isn't held: it is completed.\n")
        # A session starts, and it is said what became of it.
        started = main(environment, "start", "test-agent")
        assert (started.returncode, started.stdout.splitlines()[-1]) == (0, "test-agent is ready.")
        # The gateway can be called with the token's file.
        api = json.loads(main(environment, "api", "--json").stdout)
        name, _, value = Path(api["header_file"]).read_text().strip().partition(": ")
        request = Request(f"{api['url']}/api/backend/retry", b"", {name: value})
        with urlopen(request, timeout=10) as answer:
            assert json.load(answer)["ok"]
        unknown = main(environment, "history", "no-such-id")
        assert (unknown.returncode, unknown.stderr) == (
            2, "There is no task or subtask whose id begins with 'no-such-id'.\n",
        )  # fmt: skip
        process.terminate()
        process.wait(timeout=10)
    # What was there can be looked at without a coordinator, too
    status = json.loads(main(environment, "status", "--json").stdout)
    assert status["coordinator"] is None
    assert status["backend"].startswith("unknown (when it last ran: open ")
    # And where the output can't be written, that is said in a line
    with Path("/dev/full").open("w") as full:
        for words in (["status"], ["status", "--json"]):
            done = start(environment, *words, stdout=full)
            assert (done.communicate(timeout=30)[1], done.returncode) == (
                "The output can't be written: No space left on device\n", 1,
            )  # fmt: skip
    reading, writing = os.pipe()
    os.close(reading)
    done = start(environment, "history", "--json", stdout=writing)
    os.close(writing)
    assert (done.communicate(timeout=30)[1], done.returncode) == ("", 1)
    assert main(environment, "send", "coding-agent", "x").returncode == 2


def test_looking_where_nothing_is(environment: dict[str, str]) -> None:
    for command in ("status", "history", "deliveries"):
        done = main(environment, command)
        assert done.returncode == 2
        assert "no coordinator has run there yet" in done.stderr
    for words in (("send", "coding-agent", "x"), ("retry", "backend"), ("drop", "x"), ("rejected",)):
        assert main(environment, *words).returncode == 2
    assert not Path(environment["WORK_DIR"]).exists()


def test_a_work_directory_that_is_open_to_others_is_refused(environment: dict[str, str]) -> None:
    os.mkdir(environment["WORK_DIR"], 0o755)  # noqa: PTH102 - with this very mode
    done = main(environment, "run")
    assert done.returncode == 2
    assert "open to others" in done.stderr


@pytest.mark.real
def test_the_demo_on_ones_own_claude(environment: dict[str, str], tmp_path: Path) -> None:
    with ModelApi() as api:
        own = real_environment(tmp_path / "home", api.url) | {
            "CLAUDE_COMMAND": real_claude(),
            "COLUMNS": "200",
        }
        done = main(environment | own, "demo", "--real")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "billed to your account" in done.stdout
    assert "simulation" not in done.stdout
    assert sum("lifecycle:completed" in line for line in done.stdout.splitlines()) == 3
    for summary in ("Design schema", "Implement JWT"):
        assert any(f"> Title: {summary}" in text for text in api.user_texts())


DOOMED = """
import contextlib, sys, threading
from actors.app.coordinator import Coordinator
from actors.app.serve import serve
from actors.app.settings import load
from supervisors import Intensity, SupervisionError
from supervisors.drill import crash

class Doomed(Coordinator):
    def start(self):
        super().start()
        threading.Thread(target=self.crash_again, daemon=True).start()

    def crash_again(self):
        while self.system.wait(timeout=0.02) is None:
            with contextlib.suppress(SupervisionError):  # it is being restarted
                crash(self.system, "router", RuntimeError("doomed"))

sys.exit(serve(Doomed(load(), restarts=Intensity(restarts=2, period=120.0))))
"""


def test_too_many_restarts_end_it_with_a_clear_last_line_and_it_goes_on_from_there(
    environment: dict[str, str],
) -> None:
    with running(environment) as process:
        create(environment, TWO_STEPS)
        wait_for(environment, "session.working")
        process.kill()
    done = subprocess.run(
        [sys.executable, "-c", DOOMED],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 70, done.stderr[-2000:]
    assert "The coordinator gave up: " in done.stdout.splitlines()[-1]
    assert "restarting router" in done.stdout
    with running(environment) as process:
        wait_for(environment, "subtask.completed", 2)
        process.terminate()
        process.wait(timeout=10)
