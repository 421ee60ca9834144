"""The product as programs, which are started, observed and killed from outside."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.app.tree import SCRIPTED
from actors.cli.follow import follow_history
from tests.claude import ROOT, scripted_environment
from tests.ports import free_port


def closed_environment(directory: Path) -> dict[str, str]:
    """Return a minimal environment with the scripted stand-in as claude, and directories of its own."""
    home, project = directory / "home", directory / "project"
    home.mkdir()
    project.mkdir()
    return scripted_environment(home) | {
        "WORK_DIR": str(directory / "work"),
        "PROJECT_DIR": str(project),
        "EMBEDDED_PORT": str(free_port()),
        "CLAUDE_COMMAND": shlex.join(SCRIPTED),
        "COLUMNS": "200",
    }


def main(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "actors.main", *words],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@contextmanager
def running(environment: dict[str, str], *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a coordinator that has printed its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "actors.main", *words],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("The coordinator runs"):
                break
        else:
            raise AssertionError(process.communicate()[1])
        yield process
    finally:
        process.kill()
        process.communicate()


def create(environment: dict[str, str], plan: str) -> None:
    """Create a workflow with the script that users have."""
    path = Path(environment["WORK_DIR"]).parent / "plan.yaml"
    path.write_text(plan)
    done = subprocess.run(
        [ROOT / "scripts" / "start_autonomous_workflow.sh", "project", "main", "A workflow", "--plan", path,
         "--url", f"http://127.0.0.1:{environment['EMBEDDED_PORT']}", "--work-dir", environment["WORK_DIR"]],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def wait_for(environment: dict[str, str], kind: str, times: int = 1) -> None:
    for event in follow_history(Path(environment["WORK_DIR"]) / "event_history.json", 30):
        times -= event["event_type"] == kind
        if times == 0:
            return
    raise AssertionError(f"there was no {kind}")
