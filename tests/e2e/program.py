"""The product as programs, which are started, observed and killed from outside."""

import os
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import CompletedProcess

from actors.app.tree import SCRIPTED
from actors.cli.follow import follow_history
from tests.claude import scripted_environment
from tests.forked import Forked, run
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


def main(environment: dict[str, str], *words: str) -> CompletedProcess[str]:
    """Run a command until it ends."""
    return run("actors.main", words, environment)


@contextmanager
def running(environment: dict[str, str], *words: str) -> Iterator[Forked]:
    """Run a coordinator that has printed its ready line. Its standard error goes into the file `errors_of`."""
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as said, errors_of(environment).open("w+") as errors:  # noqa: PTH123
        process = Forked("actors.main", words, environment, stdout=writing, stderr=errors.fileno())
        os.close(writing)
        with closing(process):
            if not any(line.startswith("The coordinator runs") for line in said):
                raise AssertionError(errors_of(environment).read_text())
            yield process


def errors_of(environment: dict[str, str]) -> Path:
    """Return the file with the standard error of the coordinator that ran last."""
    return Path(environment["WORK_DIR"]).parent / "errors.txt"


def create(environment: dict[str, str], plan: str) -> None:
    """Create a workflow with the command that users have."""
    path = Path(environment["WORK_DIR"]).parent / "plan.yaml"
    path.write_text(plan)
    options = ["--plan", str(path), "--url", f"http://127.0.0.1:{environment['EMBEDDED_PORT']}"]
    done = run("backend.workflow", ["project", "main", "A workflow", *options], environment)
    assert done.returncode == 0, done.stderr


def wait_for(environment: dict[str, str], kind: str, times: int = 1) -> None:
    for event in follow_history(Path(environment["WORK_DIR"]) / "event_history.json", 30):
        times -= event["event_type"] == kind
        if times == 0:
            return
    raise AssertionError(f"there was no {kind}")
