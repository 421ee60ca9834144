"""The messages that tiny claudes have noted: stamped where they are sent, read where they have arrived."""

import sys
import time
from pathlib import Path
from typing import NamedTuple

TINY_CLAUDE = (sys.executable, "-I", "-S", str(Path(__file__).with_name("tiny_claude.py")))
"""The command that runs one."""


class Arrival(NamedTuple):
    """A message that has arrived; times in nanoseconds of the machine's monotonic clock."""

    number: int
    agent: str
    sent: int
    arrived: int


def stamp(number: int, agent: str) -> str:
    """Make what the agent looks for in a message that is sent now."""
    return f"stamp={number} to={agent} sent={time.monotonic_ns()}"


def environment(arrivals: Path, gate: Path | None = None) -> dict[str, str]:
    """Make the environment of tiny claudes that note their messages in this directory, once the gate is there."""
    return {"TINY_CLAUDE_ARRIVALS": str(arrivals)} | ({"TINY_CLAUDE_GATE": str(gate)} if gate else {})


def size(directory: Path) -> int:
    """Count the bytes that are noted."""
    return sum(path.stat().st_size for path in directory.iterdir())


def count(directory: Path) -> int:
    """Count what has arrived so far; cheaper than to read it."""
    return sum(path.read_bytes().count(b"\n") for path in directory.iterdir())


def read(directory: Path) -> list[Arrival]:
    """Read what has arrived so far, each agent's messages in their order."""
    found = []
    for path in directory.iterdir():
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # else it is being written
                number, agent, sent, arrived = line.split()
                found.append(Arrival(int(number), agent.decode(), int(sent), int(arrived)))
    return sorted(found, key=lambda each: each.arrived)
