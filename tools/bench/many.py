"""Measure a coordinator with many idle agents: what they hold, a fan from one to all, and an orderly stop."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from actors.lib.process_marks import marks_in, read_marks, work_dir_mark
from actors.workdir import prepare
from tools.common import arrivals
from tools.common.arrivals import TINY_CLAUDE
from tools.common.part import Part

MOST_SECONDS = 300.0
"""Seconds that any step may take."""
IDLE_SECONDS = 10.0
"""Seconds over which the processor time of idle agents is measured."""
IDLE_PERCENT = 10.0
"""The part of a core below which a coordinator counts as idle."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Held:
    """Resources in use at one moment: bytes of memory, descriptors, threads, and seconds of processor time."""

    memory: int
    descriptors: int
    threads: int
    cpu: float

    @classmethod
    def by(cls, process: psutil.Process) -> "Held":
        """Look at a process."""
        times = process.cpu_times()
        return cls(
            process.memory_info().rss, process.num_fds(), process.num_threads(), times.user + times.system
        )


@dataclass(frozen=True)
class ManyFigures:
    """The figures of one run.

    Attributes:
        start: Seconds until every agent has had its first message, so that all of them run.
        before: What the coordinator held without agents.
        idle: What it held with all of them idle.
        cpu: The processor time that it needed then, as a part of one core.
        fan: Seconds from one completion until the contexts of all dependents had arrived.
        stop: Seconds from SIGTERM to its end.
        code: Its exit code.
        left: Processes of its agents that were left.
    """

    start: float
    before: Held
    idle: Held
    cpu: float
    fan: float
    stop: float
    code: int
    left: int = 0


def measure(directory: Path, agents: int, idle_seconds: float = IDLE_SECONDS) -> ManyFigures:
    """Run a coordinator with this many agents, with all its files in the directory.

    Args:
        directory: For all files; the caller removes it.
        agents: The number of agents.
        idle_seconds: How long they are watched while they are idle.
    """
    backend = Part("tools.bench.backend")
    try:
        noted = directory / "arrivals"
        noted.mkdir(parents=True)
        with _running(directory, f"ws://127.0.0.1:{int(backend.hear())}/many", noted, agents) as process:
            figures = _Run(backend, process, noted, agents).measure(idle_seconds)
            return replace(figures, left=_left(directory / "work"))
    finally:
        backend.end()


class _Run:
    def __init__(self, backend: Part, process: "subprocess.Popen[str]", noted: Path, agents: int) -> None:
        self._backend = backend
        self._process = process
        self._noted = noted
        self._names = [f"agent-{number}" for number in range(agents)]

    def measure(self, idle_seconds: float) -> ManyFigures:
        look, count = psutil.Process(self._process.pid), len(self._names)
        before = Held.by(look)
        start = self._timed("flood", first=0, count=count)
        time.sleep(idle_seconds / 5)
        resting = Held.by(look)
        time.sleep(idle_seconds)
        idle = Held.by(look)
        fan = self._timed("fan", first=count, count=1)
        self._wait_until_idle(look)
        began = time.monotonic()
        self._process.terminate()
        code = self._process.wait(MOST_SECONDS)
        stop = time.monotonic() - began
        return ManyFigures(start, before, idle, (idle.cpu - resting.cpu) / idle_seconds, fan, stop, code)

    @staticmethod
    def _wait_until_idle(look: psutil.Process) -> None:
        deadline = time.monotonic() + MOST_SECONDS
        while look.cpu_percent(1.0) > IDLE_PERCENT and time.monotonic() < deadline:
            pass

    def _timed(self, what: str, *, first: int, count: int) -> float:
        """Have the backend send events; return the seconds from the first until each agent has one more context.

        Raises:
            TimeoutError: They haven't.
        """
        command = {"do": what, "to": ["/many"], "first": first, "count": count, "agents": self._names}
        wanted = arrivals.count(self._noted) + len(self._names)
        began = time.monotonic()
        self._backend.say(json.dumps(command))
        while (arrived := arrivals.count(self._noted)) < wanted:
            if time.monotonic() - began > MOST_SECONDS:
                raise TimeoutError(f"{wanted - arrived} contexts have not arrived")
            time.sleep(0.1)
        self._backend.hear()
        found = [each for each in arrivals.read(self._noted) if each.number >= first]
        return (max(each.arrived for each in found) - min(each.sent for each in found)) / 1e9


@contextmanager
def _running(directory: Path, url: str, noted: Path, agents: int) -> Iterator["subprocess.Popen[str]"]:
    """Run the program as users do, and wait until it is ready."""
    work, project = prepare(directory / "work"), directory / "project"
    project.mkdir()
    for number in range(agents):
        (work.prompts / f"agent-{number}.md").write_text("An agent of a measurement.")
    environment = {
        "HOME": str(directory),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "WS_URL": url,
        "WORK_DIR": str(work.path),
        "PROJECT_DIR": str(project),
        "CLAUDE_COMMAND": shlex.join(TINY_CLAUDE),
        "LOG_LEVEL": "warning",
        **arrivals.environment(noted),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "actors.main"],
        env=environment,
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if "runs" not in (process.stdout.readline() if process.stdout else ""):
            raise RuntimeError("the coordinator did not start")
        yield process
    finally:
        process.kill()
        process.communicate()


def _left(work: Path) -> int:
    """Count the processes that carry the work directory's mark."""
    mark = marks_in(work_dir_mark(work)).work_dir
    found = [read_marks(pid) for pid in psutil.pids()]
    return sum(marks is not None and marks.work_dir == mark for marks in found)
