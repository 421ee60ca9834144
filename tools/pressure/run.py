"""The coordinator's process, seen from outside: its memory, its journal, and what has arrived at its agents."""

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tools.common import arrivals
from tools.common.part import Part

LOOK_SECONDS = 0.02
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


class PressureRun:
    """A coordinator under pressure.

    Args:
        directory: An empty one, for everything that is written.
        url: The backend's.
        agents: Its agents' names.
        slow: So many seconds longer does the router take for each event.
    """

    def __init__(self, directory: Path, url: str, agents: list[str], slow: float) -> None:
        self._gate, self._arrivals = directory / "gate", directory / "arrivals"
        self._arrivals.mkdir()
        self._journal = directory / "work" / "journal.db"
        self._product = Part(
            "tools.pressure.product", url, str(directory), str(slow), *agents,
            environment=arrivals.environment(self._arrivals, self._gate, once=True),
        )  # fmt: skip
        self._product.hear()
        self.memory = Memory(self._product.pid)

    def open_gate(self) -> None:
        """Have the agents read."""
        self._gate.touch()

    def arrived(self) -> dict[str, list[int]]:
        """The numbers of the messages that have arrived at each agent, in the order of arrival."""
        found: dict[str, list[int]] = defaultdict(list)
        for each in arrivals.read(self._arrivals):
            found[each.agent].append(each.number)
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
        return wait_until(lambda: arrivals.count(self._arrivals) >= count, f"{count} arrivals")

    def end(self) -> dict[str, Any]:
        """End it; what it says of itself."""
        self.memory.close()
        return self._product.end()


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
def running(directory: Path, url: str, agents: list[str], slow: float = 0.0) -> Iterator[PressureRun]:
    """Run a coordinator; it is ended where the block fails, and else by the block itself."""
    run = PressureRun(directory, url, agents, slow)
    try:
        yield run
    except BaseException:
        with suppress(ValueError):
            run.end()
        raise
