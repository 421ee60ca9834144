"""Stamps in messages, and the records that tiny claudes make of their arrivals."""

import sys
import time
from pathlib import Path
from typing import NamedTuple

TINY_CLAUDE = (sys.executable, "-I", "-S", str(Path(__file__).with_name("tiny_claude.py")))
"""The command that runs a tiny claude."""


class Arrival(NamedTuple):
    """The arrival of a message; times in nanoseconds of the machine's monotonic clock."""

    number: int
    agent: str
    sent: int
    arrived: int


def stamp(number: int, agent: str) -> str:
    """Return the stamp for a message that is sent now."""
    return f"stamp={number} to={agent} sent={time.monotonic_ns()}"


def environment(arrivals: Path, gate: Path | None = None, *, once: bool = False) -> dict[str, str]:
    """Return the environment of tiny claudes.

    Args:
        arrivals: The directory for their records.
        gate: The file whose existence they wait for before they read.
        once: True to record a message only once if it is resent under the same uuid.
    """
    optional = {"TINY_CLAUDE_GATE": str(gate or ""), "TINY_CLAUDE_ONCE": "1" if once else ""}
    return {"TINY_CLAUDE_ARRIVALS": str(arrivals)} | {
        name: value for name, value in optional.items() if value
    }


def size(directory: Path) -> int:
    """Return the size of all records in bytes."""
    return sum(path.stat().st_size for path in directory.iterdir())


def count(directory: Path) -> int:
    """Count the arrivals so far; cheaper than `read`."""
    return sum(path.read_bytes().count(b"\n") for path in directory.iterdir())


def read(directory: Path) -> list[Arrival]:
    """Return the arrivals so far, each agent's in their order."""
    found = []
    for path in directory.iterdir():
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # otherwise it is still being written
                number, agent, sent, arrived = line.split()
                found.append(Arrival(int(number), agent.decode(), int(sent), int(arrived)))
    return sorted(found, key=lambda each: each.arrived)
