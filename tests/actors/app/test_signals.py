"""The effect of signals on a process, in one that sends them to itself by a clock of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys, types
from actors.app import signals
now = 0.0
signals.time = types.SimpleNamespace(monotonic=lambda: now)
asked = signals.Interrupts()
for each in sys.argv[1:]:
    name, at = each.split("@")
    now = float(at)
    signal.raise_signal(signal.Signals[name])
while not asked.wait(0.05):
    print("waits")
print("orderly")
"""
ROOT = Path(__file__).parents[3]


def test_while_nobody_asks_it_has_time_for_other_things() -> None:
    with subprocess.Popen(
        [sys.executable, "-uc", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["waits\n"] * 2
        process.terminate()
        assert process.stdout.read().endswith("orderly\n")


@pytest.mark.parametrize(
    "signals",
    [
        ["SIGTERM@5"],
        ["SIGHUP@5", "SIGHUP@5.001", "SIGHUP@9"],  # a terminal that closes
        ["SIGINT@5", "SIGHUP@9"],  # somebody has interrupted it, and goes home
        ["SIGINT@5", "SIGTERM@5.4"],
    ],
)
def test_what_is_one_request_ends_it_in_an_orderly_way(signals: list[str]) -> None:
    assert _end(*signals) == (0, "orderly\n")


@pytest.mark.parametrize(
    "signals",
    [
        ["SIGINT@5", "SIGINT@5.6"],
        ["SIGHUP@5", "SIGTERM@6"],
        ["SIGINT@5", "SIGINT@5.1", "SIGINT@5.6"],
    ],
)
def test_who_has_lost_patience_ends_it_at_once(signals: list[str]) -> None:
    assert _end(*signals) == (130, "")


def _end(*signals: str) -> tuple[int, str]:
    """Return how the process ends, and its output."""
    command = [sys.executable, "-c", PROGRAM, *signals]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, done.stdout
