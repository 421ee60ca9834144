"""The coordinator's process, seen from outside: its memory, its journal, and what has arrived at its agents."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

LOOK_SECONDS = 0.02
STOP_SECONDS = 30.0
LIMIT = 240.0
"""Seconds that anything may take."""


class Memory:
    """Watches how much memory a process needs, in bytes.

    Attributes:
        most: The most so far.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = self.now()
        self._thread.start()

    def now(self) -> int:
        """What it needs now."""
        return int(self._process.memory_info().rss)

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.most = max(self.most, self.now())


class Stage:
    """A coordinator that runs.

    Args:
        directory: An empty one, for everything that is written.
        url: The backend's.
        agents: Its agents' names.
        slow: So many seconds longer does the router take for each event.
    """

    def __init__(self, directory: Path, url: str, agents: list[str], slow: float) -> None:
        self._gate, self._arrivals = directory / "gate", directory / "arrivals"
        self._journal = directory / "work" / "journal.db"
        environment = {
            "PRESSURE_GATE": str(self._gate),
            "PRESSURE_ARRIVALS": str(self._arrivals),
            "PRESSURE_AGENTS": " ".join(agents),
        }
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tools.pressure.product", url, str(directory), str(slow)],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._process.stdout is None or self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the coordinator ended with {self._process.wait(STOP_SECONDS)}")
        self.memory = Memory(self._process.pid)

    def open_gate(self) -> None:
        """Have the agents read."""
        self._gate.touch()

    def arrived(self) -> dict[str, list[int]]:
        """The numbers of the messages that have arrived at each agent, in the order of arrival."""
        found: dict[str, list[int]] = defaultdict(list)
        if self._arrivals.exists():
            for line in self._arrivals.read_text().splitlines():
                agent, number = line.split()
                found[agent].append(int(number))
        return found

    def journaled(self, where: str) -> int:
        """How many deliveries of this kind the journal holds."""
        with closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as database:
            (count,) = database.execute(f"SELECT count(*) FROM deliveries WHERE {where}").fetchone()  # noqa: S608 - our own words
        return int(count)

    def wait_until_journaled(self, count: int, where: str = "1") -> float:
        """Wait until it holds so many; how long it took, in seconds."""
        return wait_until(lambda: self.journaled(where) >= count, f"{count} deliveries with {where}")

    def wait_until_arrived(self, count: int) -> float:
        """Wait until so many have arrived; how long it took, in seconds."""
        return wait_until(lambda: sum(map(len, self.arrived().values())) >= count, f"{count} arrivals")

    def end(self) -> dict[str, Any]:
        """End it; what it says of itself."""
        self.memory.close()
        try:
            return dict(json.loads(self._process.communicate(timeout=STOP_SECONDS)[0] or "{}"))
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.communicate()


def wait_until(condition: Callable[[], bool], what: str) -> float:
    """Wait for what tells nobody; how long it took, in seconds.

    Raises:
        TimeoutError: It didn't come.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > LIMIT:
            raise TimeoutError(f"not within {LIMIT:.0f} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - begin


@contextmanager
def stage(directory: Path, url: str, agents: list[str], slow: float = 0.0) -> Iterator[Stage]:
    """A coordinator that is ended at the end, whatever happens."""
    made = Stage(directory, url, agents, slow)
    try:
        yield made
    except BaseException:
        made.end()
        raise
