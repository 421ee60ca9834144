"""A process with the whole coordinator, its journal on disk, and tiny claudes as its agents.

Usage: ``product.py URL DIRECTORY AGENTS [--full]``. It ends when its standard input does, and then prints counts from
its journal. With ``--full``, the journal has a long history before the coordinator starts.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tools.bench.filling import fill
from tools.common import product


def main(url: str, directory: Path, agents: int, *, full: bool) -> None:
    """Run until standard input ends."""
    coordinator = product.make(url, directory, [f"agent-{number}" for number in range(agents)])
    if full:
        fill(coordinator.workdir)
    with product.started(coordinator) as abandoned:
        product.wait_until_told()
    print(json.dumps({"abandoned": abandoned, **journaled(coordinator.workdir.journal)}), flush=True)


def journaled(path: Path) -> dict[str, int]:
    """Count the messages in the journal, and the contexts that were handed to a session."""
    with closing(sqlite3.connect(path)) as database:
        (messages,) = database.execute("SELECT count(*) FROM events WHERE kind = 'agent.message'").fetchone()
        (handed,) = database.execute("SELECT count(handed_at) FROM deliveries").fetchone()
    return {"messages": messages, "handed": handed}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), full="--full" in sys.argv)
