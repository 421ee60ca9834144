"""The coordinator's process, seen from outside: its memory, its journal, and the arrivals at its agents."""

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
"""Seconds that any wait may take."""


class Memory:
    """Watches a process's memory, in bytes.

    Attributes:
        most: The greatest value so far.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = self.now()
        self._thread.start()

    def now(self) -> int:
        """Return the present value."""
        return int(self._process.memory_info().rss)

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.most = max(self.most, self.now())


class PressureRun:
    """A coordinator under pressure.

    Args:
        directory: An empty directory for all files.
        url: The backend's URL.
        agents: The agents' names.
        slow: Seconds of delay in the router for each event.
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
        """Let the agents read."""
        self._gate.touch()

    def arrived(self) -> dict[str, list[int]]:
        """Return the numbers of the messages that have arrived at each agent, in their order."""
        found: dict[str, list[int]] = defaultdict(list)
        for each in arrivals.read(self._arrivals):
            found[each.agent].append(each.number)
        return found

    def journaled(self, where: str) -> int:
        """Count the deliveries in the journal that match an SQL condition."""
        with closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as database:
            (count,) = database.execute(f"SELECT count(*) FROM deliveries WHERE {where}").fetchone()  # noqa: S608 - our own words
        return int(count)

    def wait_until_journaled(self, count: int, where: str = "1") -> float:
        """Wait until the journal holds ``count`` such deliveries, and return the seconds that it took."""
        return wait_until(lambda: self.journaled(where) >= count, f"{count} deliveries with {where}")

    def wait_until_arrived(self, count: int) -> float:
        """Wait until ``count`` messages have arrived, and return the seconds that it took."""
        return wait_until(lambda: arrivals.count(self._arrivals) >= count, f"{count} arrivals")

    def end(self) -> dict[str, Any]:
        """End the coordinator, and return its final report."""
        self.memory.close()
        return self._product.end()


def wait_until(condition: Callable[[], bool], what: str) -> float:
    """Poll a condition until it holds, and return the seconds that it took.

    Raises:
        TimeoutError: It did not hold in time.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > LIMIT:
            raise TimeoutError(f"not within {LIMIT:.0f} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - begin


@contextmanager
def running(directory: Path, url: str, agents: list[str], slow: float = 0.0) -> Iterator[PressureRun]:
    """Run a coordinator. The block ends it; if the block fails, it is ended here."""
    run = PressureRun(directory, url, agents, slow)
    try:
        yield run
    except BaseException:
        with suppress(ValueError):
            run.end()
        raise
