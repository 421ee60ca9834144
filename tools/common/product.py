"""The whole coordinator in a process of its own, with tiny claudes as its agents, for measurements."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.app import tuning
from actors.app.coordinator import Coordinator
from actors.app.logs import set_up_logging
from actors.app.settings import load_defaults
from actors.app.tree import ACTORS, Actors
from tools.common.arrivals import TINY_CLAUDE


def make(
    url: str, directory: Path, agents: Iterable[str], *, log_level: str = "warning", actors: Actors = ACTORS
) -> Coordinator:
    """Create a coordinator, without starting it.

    Args:
        url: The backend's URL.
        directory: An empty directory for all files.
        agents: The names of the agents, which get prompts.
        log_level: The lowest level that is logged to standard error.
        actors: The makers of its actors.
    """
    tuning.share_fairly()
    set_up_logging(log_level)
    project = directory / "project"
    project.mkdir()
    settings = load_defaults(
        work_dir=directory / "work", project_dir=project, ws_url=url, claude_command=TINY_CLAUDE
    )
    for_agents = {name: value for name, value in os.environ.items() if name.startswith("TINY_CLAUDE_")}
    environment = {"HOME": str(directory), "PATH": os.environ["PATH"], **for_agents}
    coordinator = Coordinator(settings, environment=environment, actors=actors)
    for name in agents:
        (coordinator.workdir.prompts / f"{name}.md").write_text("An agent of a measurement.")
    return coordinator


@contextmanager
def started(coordinator: Coordinator) -> Iterator[list[str]]:
    """Start a coordinator, and stop it at the end of the block.

    Yields:
        The names of abandoned actors, complete after the block.
    """
    abandoned: list[str] = []
    coordinator.start()
    tuning.settle()
    try:
        yield abandoned
    finally:
        abandoned += coordinator.stop()


def wait_until_told() -> None:
    """Print the ready line, and wait until standard input ends."""
    print("ready", flush=True)
    sys.stdin.readline()
