"""The processes of a measurement: started, talked to, and ended together."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

STOP_SECONDS = 30.0
Samples = list[tuple[int, int]]
"""When each event was sent and when its context arrived, in nanoseconds, in the order of sending."""


class Part:
    """A process that prints lines and ends when its standard input does.

    Args:
        module: Which part of the benchmark it is.
        arguments: Its arguments.
        environment: More environment variables.
    """

    def __init__(self, module: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._module = module
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", f"tools.bench.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def say(self, line: str) -> None:
        """Write a line to it."""
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def hear(self) -> str:
        """Its next line.

        Raises:
            RuntimeError: It has ended.
        """
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"{self._module} ended with {self._process.wait(STOP_SECONDS)}")
        return line.strip()

    def end(self) -> str:
        """Have it end; what it still had to say."""
        try:
            return self._process.communicate(timeout=STOP_SECONDS)[0].strip()
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.communicate()[0].strip()


class Stage:
    """The backend, and the pipelines that are connected to it.

    Args:
        directory: For everything that is written; the caller removes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._backend = Part("backend")
        self._port = int(self._backend.hear())
        self._parts: dict[str, Part] = {}
        self._next = 0

    def add(self, name: str, module: str, *arguments: str) -> None:
        """Start a pipeline; it connects under its name."""
        arrivals = self._arrivals(name)
        arrivals.mkdir(parents=True)
        url = f"ws://127.0.0.1:{self._port}/{name}"
        environment = {"BENCH_ARRIVALS": str(arrivals)}
        self._parts[name] = Part(module, url, str(arrivals.parent), *arguments, environment=environment)

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
        said = self._parts.pop(name).end()
        return dict(json.loads(said)) if said else {}

    def close(self) -> None:
        """End everything."""
        for name in list(self._parts):
            with contextlib.suppress(ValueError):  # it was ended by force, and what it said is cut off
                self.end(name)
        self._backend.end()

    def _arrivals(self, name: str) -> Path:
        return self._directory / name / "arrivals"

    def _wait_for(self, name: str, numbers: range, deadline: float) -> dict[int, tuple[int, int]]:
        """Look at the files only once they have stopped growing: looking takes time that others need."""
        before, found = 0, {}
        while time.monotonic() < deadline:
            time.sleep(0.1)
            size = sum(path.stat().st_size for path in self._arrivals(name).iterdir())
            if size == before:
                found = self._read(name, numbers)
                if len(found) == len(numbers):
                    return found
            before = size
        raise TimeoutError(f"{name}: {len(numbers) - len(found)} of {len(numbers)} contexts have not arrived")

    def _read(self, name: str, numbers: range) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        for path in self._arrivals(name).iterdir():
            for line in path.read_bytes().splitlines():
                number, sent, arrived = map(int, line.split())
                if number in found:
                    raise RuntimeError(f"{name}: context {number} has arrived twice")
                if number in numbers:
                    found[number] = sent, arrived
        return found


@contextlib.contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """A stage that is cleared at the end, whatever happens."""
    made = Stage(directory)
    try:
        yield made
    finally:
        made.close()
