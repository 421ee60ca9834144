"""Tests of the workflow command: the script against a running backend."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from backend.workdir import URL_FILE, WorkDir
from backend.workflow import _plain
from tests import forked
from tests.backend.conftest import TOKEN, Running
from tests.claude import ROOT

SCRIPT = ROOT / "scripts" / "start_autonomous_workflow.sh"
PLAN = """\
title: Authentication
subtasks:
- title: Design schema
  agent: architect-agent
  key: design
- title: Implement JWT
  agent: coding-agent
  details: In auth/jwt.py.
  depends_on: [design]
- title: Write tests
  agent: test-agent
  depends_on: [design, Implement JWT]
"""


pytestmark = pytest.mark.usefixtures("programs")


def run(*arguments: object, token: str | None = TOKEN, cwd: Path = ROOT, **more: str) -> tuple[int, str, str]:
    """Run the command as the script does."""
    environment = {"COORDINATOR_PROGRAM": "./scripts/run"} | _environment(token) | more
    done = forked.run("backend.workflow", [*map(str, arguments)], environment, directory=cwd)
    return done.returncode, done.stdout, done.stderr


def run_script(*arguments: str) -> tuple[int, str, str]:
    """Run the script."""
    done = subprocess.run(
        [SCRIPT, *arguments], env=_environment(TOKEN), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _environment(token: str | None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "COLUMNS": "200"} | ({"BACKEND_TOKEN": token} if token else {})


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_a_description_becomes_a_chain_of_three(running: Running) -> None:
    code, out, err = run_script("shop", "feature/auth", "Build auth\nwith care", "--url", running.url)
    assert (code, err) == (0, "")
    [task] = running.http.get("/api/tasks", params={"project": "shop", "branch": "feature/auth"}).json()[
        "tasks"
    ]
    assert (task["title"], task["details"]) == ("Build auth", "Build auth\nwith care")
    subtasks = running.http.get(f"/api/tasks/{task['id']}").json()["subtasks"]
    assert [each["assignees"] for each in subtasks] == [["architect-agent"], ["coding-agent"], ["test-agent"]]
    assert [each["dependencies"] for each in subtasks] == [[], [subtasks[0]["id"]], [subtasks[1]["id"]]]
    # And: it says what it made, and how to watch it.
    assert all(each["id"] in out and each["title"] in out for each in subtasks)
    assert "to watch it: ./scripts/run status" in out


def test_a_plan_becomes_its_steps(running: Running, plan: Path) -> None:
    code, _, err = run(
        "shop", "b", "The whole story", "--plan", plan.name, "--url", running.url, cwd=plan.parent
    )
    assert (code, err) == (0, "")
    [task] = running.http.get("/api/tasks").json()["tasks"]
    assert (task["title"], task["details"]) == ("Authentication", "The whole story")
    first, second, third = running.http.get(f"/api/tasks/{task['id']}").json()["subtasks"]
    assert (second["title"], second["details"]) == ("Implement JWT", "In auth/jwt.py.")
    assert third["dependencies"] == [first["id"], second["id"]]


def test_a_dry_run_shows_the_graph_and_creates_nothing(running: Running, plan: Path) -> None:
    code, out, _ = run("shop", "b", "x", "--plan", plan, "--url", running.url, "--dry-run")
    assert code == 0
    row = next(line for line in out.splitlines() if "Write tests" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["3", "Write tests", "test-agent", "1, 2"]
    assert running.http.get("/healthz").json()["last_seq"] == 0


@pytest.mark.parametrize("dry", [True, False])
def test_an_agent_without_a_prompt_is_warned_of(
    running: Running, plan: Path, tmp_path: Path, *, dry: bool
) -> None:
    # Given a plan with a misspelt agent, one that nobody knows, and one with a prompt of the user's
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "my-agent.md").touch()
    for wrong, right in [("architect-agent", "architekt-agent"), ("test-agent", "my-agent")]:
        plan.write_text(plan.read_text().replace(wrong, right))
    plan.write_text(plan.read_text() + "- {title: Sing, agent: xyz}\n")
    arguments = ["p", "b", "x", "--plan", plan, "--url", running.url, "--work-dir", tmp_path]
    code, _, err = run(*arguments, *(["--dry-run"] if dry else []))
    # Then it is told, and nothing is refused
    assert code == 0
    near, unknown = err.splitlines()
    assert near == (
        "warning: there is no prompt for architekt-agent, so nobody will do its steps; did you mean architect-agent?"
        f" (its prompt would be {tmp_path}/prompts/architekt-agent.md)"
    )
    assert unknown.startswith(
        "warning: there is no prompt for xyz, so nobody will do its steps; the agents are: "
    )
    assert "my-agent" in unknown


def test_a_plan_that_is_too_large_is_refused_at_once(plan: Path) -> None:
    with plan.open("a") as file:
        for _ in range(30):
            file.write("# " + "é" * 500_000 + "\n")
    code, out, err = run("p", "b", "x", "--plan", plan, "--dry-run")
    assert (code, out) == (2, "")
    assert err.startswith(f"{plan} has more than 1,000,000 bytes; put long details into a file")


def test_a_token_is_not_told_to_a_program_on_a_dead_backends_port(tmp_path: Path) -> None:
    # Given the token of a backend that is dead, and a program that has its port
    with closing(WorkDir(tmp_path / "work")) as work_dir:
        work_dir.hold()
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        done = run("p", "b", "x", "--url", url, "--work-dir", tmp_path / "work", token=None)
        # Then it is connected to and told nothing
        assert done == (1, "", f"no backend runs in {tmp_path / 'work'}; start one with ./scripts/run\n")
        with stranger.accept()[0] as client:
            assert client.recv(1000) == b""


def test_mistakes_in_a_plan_are_all_told_and_nothing_is_created(running: Running, plan: Path) -> None:
    plan.write_text(
        PLAN.replace("agent: coding-agent", "agnet: coding-agent").replace("[design]", "[desing]")
    )
    code, out, err = run("shop", "b", "x", "--plan", plan, "--url", running.url)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        f"{plan}: line 6: 'Implement JWT' depends on 'desing', which is no step",
        f"{plan}: line 6: the step has no agent",
        f"{plan}: line 7: unknown key 'agnet' (the keys of a step: title, agent, details, depends_on, key)",
    ]
    assert running.http.get("/healthz").json()["last_seq"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("p", "b", " "), "the description is empty\n"),
        (("", "b", "x"), "project: Value error, must not be empty\n"),
        (("p", "b", "x", "--plan", "/nowhere/plan.yaml"), "/nowhere/plan.yaml can't be read: No such file"),
        (("p", "b", "x", "--plan", "latin.yaml"), "latin.yaml is not UTF-8 text\n"),
    ],
)
def test_what_can_not_be_a_workflow_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"- title: \xe9\n")
    code, out, err = run(*arguments, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(said)


def test_no_backend_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    code, _, err = run("p", "b", "x", "--url", url)
    assert code == 1
    assert err == f"no backend answers at {url} ([Errno 111] Connection refused); is it running?\n"
    code, _, err = run("p", "b", "x", "--url", url, "--work-dir", tmp_path, token=None)
    assert code == 1
    assert err.startswith(f"{tmp_path}/backend.token can't be read")
    code, _, err = run("p", "b", "x", "--url", "127.0.0.1:8000")
    assert (code, err.count("\n")) == (1, 1)


def test_the_backend_is_found_by_the_environment_or_the_work_directory(
    running: Running, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:1"
    with closing(WorkDir(tmp_path / "work")) as work_dir:
        work_dir.hold()
        # Given: a work directory that names the backend; then that is the one.
        work_dir.publish(running.url)
        assert run("p", "b", "x", WORK_DIR=str(work_dir.path))[::2] == (0, "")
        # And: what the environment names goes before it, and the option before that.
        code, _, err = run("p", "b", "x", WORK_DIR=str(work_dir.path), BACKEND_URL=nowhere)
        assert (code, nowhere in err) == (1, True)
        work_dir.publish(nowhere)
        assert run("p", "b", "x", WORK_DIR=str(work_dir.path), BACKEND_URL=running.url)[::2] == (0, "")
        assert run("p", "b", "x", "--url", running.url, BACKEND_URL=nowhere)[::2] == (0, "")


def test_the_token_of_a_backend_that_was_killed_is_sent_to_nobody(tmp_path: Path) -> None:
    with closing(WorkDir(tmp_path / "work")) as work_dir:
        work_dir.hold()
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.settimeout(0)
        address = work_dir.path / URL_FILE
        address.touch(mode=0o600)
        address.write_text(f"http://127.0.0.1:{stranger.getsockname()[1]}")
        done = run("p", "b", "x", token=None, WORK_DIR=str(work_dir.path))
        assert done == (
            1,
            "",
            f"no backend runs in {work_dir.path}; start one with ./scripts/run, or give --url\n",
        )
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_the_work_directory_of_a_file_named_env_is_the_one(running: Running, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"WORK_DIR={tmp_path / 'work'}\nWS_TOKEN=another\n")
    with closing(WorkDir(tmp_path / "work")) as work_dir:
        work_dir.hold()
        work_dir.publish(running.url)
        assert run("p", "b", "x", cwd=tmp_path)[::2] == (0, "")
        # And: the environment goes before it.
        code, _, err = run("p", "b", "x", cwd=tmp_path, token=None, WORK_DIR=str(tmp_path / "empty"))
        assert (code, err) == (
            1,
            f"no backend runs in {tmp_path / 'empty'}; start one with ./scripts/run, or give --url\n",
        )
    (tmp_path / ".env").write_bytes(b"\xff")
    code, _, err = run("p", "b", "x", cwd=tmp_path)
    assert (code, err.startswith(f"{tmp_path}/.env can't be read: ")) == (1, True)


def test_ids_are_whole_in_a_pipe_and_on_a_narrow_terminal(running: Running) -> None:
    arguments = ["p", "b", "x" * 100, "--url", running.url]
    for columns in ("", "50"):
        _, out, _ = run(*arguments, COLUMNS=columns)
        assert "…" not in out
    _, out, _ = run(*arguments, COLUMNS="")
    ids = [each["id"] for task in running.http.get("/api/tasks").json()["tasks"]
           for each in running.http.get(f"/api/tasks/{task['id']}").json()["subtasks"]]  # fmt: skip
    assert sum(each in out for each in ids) == 3


def test_its_help_names_what_it_goes_by() -> None:
    code, out, _ = run_script("--help")
    assert code == 0
    for word in (
        "start_autonomous_workflow.sh",
        "PROJECT",
        "--plan",
        "BACKEND_URL",
        "WORK_DIR",
        "BACKEND_TOKEN",
    ):
        assert word in out


def test_a_wrong_token_is_said_in_a_line(running: Running) -> None:
    code, _, err = run("p", "b", "x", "--url", running.url, token="wrong")
    assert code == 1
    assert "[unauthorized]" in err
    assert err.count("\n") == 1


@contextmanager
def _answering(answer: bytes) -> Iterator[str]:
    """Serve one request with an answer that is no backend's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                while b'"subtasks"' not in connection.recv(65_536):
                    pass
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.join(10)


@pytest.mark.parametrize("answer", [b"HTTP/1.0 200 OK\r\n\r\n<html>", b"SSH-2.0-OpenSSH\r\n", b""])
def test_what_is_no_backend_is_told_so(answer: bytes) -> None:
    with _answering(answer) as url:
        code, _, err = run("p", "b", "x", "--url", url)
    assert (code, err.count("\n")) == (1, 1)
    assert "no backend" in err


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    assert str(_plain("a\x1b[2Jb\u202ec")) == "a�[2Jb�c"
