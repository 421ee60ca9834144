"""The processes of a measurement, which are started, controlled and ended together."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.common import arrivals
from tools.common.part import Part

Samples = list[tuple[int, int]]
"""For each event, the times in nanoseconds of its sending and its context's arrival, in the order of sending."""


class BenchRun:
    """A backend, and the pipelines connected to it.

    Args:
        directory: The directory for all files; the caller removes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._backend = Part("tools.bench.backend")
        self._port = int(self._backend.hear())
        self._parts: dict[str, Part] = {}
        self._next = 0

    def add(self, name: str, module: str, *arguments: str) -> None:
        """Start a pipeline, which connects under its name."""
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
        """Wait until these pipelines are ready."""
        for name in names:
            self._parts[name].hear()

    def probe(self, names: Sequence[str], count: int, gap: float) -> dict[str, Samples]:
        """Send each of these pipelines ``count`` events that lead to a context, ``gap`` seconds apart.

        The pipelines take turns event by event, in random order, so that other load on the machine affects all alike.
        """
        command = {"do": "probe", "count": count, "gap": gap, "agents": ["agent-0"]}
        return self._run(command, names, seconds=60.0)

    def flood(self, name: str, count: int, agents: int) -> Samples:
        """Send ``count`` messages to this pipeline's agents, as fast as it accepts them."""
        command = {"do": "flood", "count": count, "agents": [f"agent-{each}" for each in range(agents)]}
        return self._run(command, [name], seconds=60.0)[name]

    def _run(self, command: dict[str, Any], names: Sequence[str], seconds: float) -> dict[str, Samples]:
        """Send events, and wait until a context for each has arrived.

        Raises:
            TimeoutError: Some contexts are missing.
            RuntimeError: A context has arrived twice.
        """
        first, self._next = self._next, self._next + command["count"]
        self._backend.say(json.dumps(command | {"to": [f"/{name}" for name in names], "first": first}))
        self._backend.hear()
        numbers = range(first, self._next)
        deadline = time.monotonic() + seconds
        found = {name: self._wait_for(name, numbers, deadline) for name in names}
        return {name: [found[name][number] for number in numbers] for name in names}

    def end(self, name: str) -> dict[str, Any]:
        """End a pipeline, and return its final report."""
        return self._parts.pop(name).end()

    def close(self) -> None:
        """End all processes."""
        for part in (*self._parts.values(), self._backend):
            with contextlib.suppress(ValueError):  # its report is cut off, or not wanted
                part.end()
        self._parts.clear()

    def _arrivals(self, name: str) -> Path:
        return self._directory / name / "arrivals"

    def _wait_for(self, name: str, numbers: range, deadline: float) -> dict[int, tuple[int, int]]:
        """Read the files only after they have stopped growing, because reading takes time from the pipelines."""
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
            found[each.number] = each.sent, each.arrived
        return {number: found[number] for number in numbers if number in found}


@contextlib.contextmanager
def running(directory: Path) -> Iterator[BenchRun]:
    """Start a run, and end all its processes in every case."""
    run = BenchRun(directory)
    try:
        yield run
    finally:
        run.close()
