"""A process with the whole coordinator, its journal on disk, and tiny claudes as its agents.

Usage: ``product.py URL DIRECTORY AGENTS [--full]``; ends when its standard input does, and then prints what its
journal holds. With ``--full`` the journal has a long history before the coordinator starts.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path

from actors.app import tuning
from actors.app.coordinator import Coordinator
from actors.app.logs import set_up_logging
from actors.app.settings import load_defaults
from tools.bench.filling import fill

AGENT = Path(__file__).with_name("agent.py")


def main(url: str, directory: Path, agents: int, *, full: bool) -> None:
    """Run until the standard input ends."""
    tuning.share_fairly()
    set_up_logging("warning")
    project = directory / "project"
    project.mkdir()
    settings = load_defaults(
        work_dir=directory / "work",
        project_dir=project,
        ws_url=url,
        claude_command=(sys.executable, "-I", "-S", str(AGENT)),
    )
    environment = {
        "HOME": str(directory),
        "PATH": os.environ["PATH"],
        "BENCH_ARRIVALS": os.environ["BENCH_ARRIVALS"],
    }
    coordinator = Coordinator(settings, environment=environment)
    for number in range(agents):
        (coordinator.workdir.prompts / f"agent-{number}.md").write_text("An agent of the benchmark.")
    if full:
        fill(coordinator.workdir)
    coordinator.start()
    tuning.settle()
    try:
        print("ready", flush=True)
        sys.stdin.readline()
    finally:
        abandoned = coordinator.stop()
    print(json.dumps({"abandoned": abandoned, **journaled(coordinator.workdir.journal)}), flush=True)


def journaled(path: Path) -> dict[str, int]:
    """How many messages the journal holds, and how many contexts that were handed to a session."""
    database = sqlite3.connect(path)
    try:
        (messages,) = database.execute("SELECT count(*) FROM events WHERE kind = 'agent.message'").fetchone()
        (handed,) = database.execute("SELECT count(handed_at) FROM deliveries").fetchone()
    finally:
        database.close()
    return {"messages": messages, "handed": handed}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), full="--full" in sys.argv)
