"""The processes of a measurement: started, talked to, and ended together."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.common import arrivals
from tools.common.part import Part

Samples = list[tuple[int, int]]
"""When each event was sent and when its context arrived, in nanoseconds, in the order of sending."""


class BenchRun:
    """The backend, and the pipelines that are connected to it.

    Args:
        directory: For everything that is written; the caller removes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._backend = Part("tools.bench.backend")
        self._port = int(self._backend.hear())
        self._parts: dict[str, Part] = {}
        self._next = 0

    def add(self, name: str, module: str, *arguments: str) -> None:
        """Start a pipeline; it connects under its name."""
        noted = self._arrivals(name)
        noted.mkdir(parents=True)
        url = f"ws://127.0.0.1:{self._port}/{name}"
        self._parts[name] = Part(
            f"tools.bench.{module}",
            url,
            str(noted.parent),
            *arguments,
            environment=arrivals.environment(noted),
        )

    def wait_until_ready(self, *names: str) -> None:
        """Wait until these pipelines are."""
        for name in names:
            self._parts[name].hear()

    def probe(self, names: Sequence[str], count: int, gap: float) -> dict[str, Samples]:
        """Have each of these pipelines bring a context to its agent ``count`` times, ``gap`` seconds apart.

        They take turns event by event, in changing order, so that whatever else the machine does hits all alike.
        """
        command = {"do": "probe", "count": count, "gap": gap, "agents": ["agent-0"]}
        return self._run(command, names, seconds=60.0)

    def flood(self, name: str, count: int, agents: int) -> Samples:
        """Send so many messages to this pipeline's agents, as fast as it takes them."""
        command = {"do": "flood", "count": count, "agents": [f"agent-{each}" for each in range(agents)]}
        return self._run(command, [name], seconds=60.0)[name]

    def _run(self, command: dict[str, Any], names: Sequence[str], seconds: float) -> dict[str, Samples]:
        """Send events, and wait until a context for each has arrived.

        Raises:
            TimeoutError: Some are missing.
            RuntimeError: One has arrived twice.
        """
        first, self._next = self._next, self._next + command["count"]
        self._backend.say(json.dumps(command | {"to": [f"/{name}" for name in names], "first": first}))
        self._backend.hear()
        numbers = range(first, self._next)
        deadline = time.monotonic() + seconds
        found = {name: self._wait_for(name, numbers, deadline) for name in names}
        return {name: [found[name][number] for number in numbers] for name in names}

    def end(self, name: str) -> dict[str, Any]:
        """End a pipeline; what it says about itself."""
        return self._parts.pop(name).end()

    def close(self) -> None:
        """End everything."""
        for part in (*self._parts.values(), self._backend):
            with contextlib.suppress(ValueError):  # what it said is cut off, or was never asked for
                part.end()
        self._parts.clear()

    def _arrivals(self, name: str) -> Path:
        return self._directory / name / "arrivals"

    def _wait_for(self, name: str, numbers: range, deadline: float) -> dict[int, tuple[int, int]]:
        """Look at the files only once they have stopped growing: looking takes time that others need."""
        before, found = 0, {}
        while time.monotonic() < deadline:
            time.sleep(0.1)
            size = arrivals.size(self._arrivals(name))
            if size == before:
                found = self._read(name, numbers)
                if len(found) == len(numbers):
                    return found
            before = size
        raise TimeoutError(f"{name}: {len(numbers) - len(found)} of {len(numbers)} contexts have not arrived")

    def _read(self, name: str, numbers: range) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        for each in arrivals.read(self._arrivals(name)):
            if each.number in found:
                raise RuntimeError(f"{name}: context {each.number} has arrived twice")
            if each.number in numbers:
                found[each.number] = each.sent, each.arrived
        return found


@contextlib.contextmanager
def running(directory: Path) -> Iterator[BenchRun]:
    """Run it, and end everything in every case."""
    run = BenchRun(directory)
    try:
        yield run
    finally:
        run.close()
