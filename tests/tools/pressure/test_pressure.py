"""Tests of pressure: excess messages wait in the journal, and all of them arrive."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.claude import ROOT

SECONDS = 100
pytestmark = [pytest.mark.timeout(SECONDS + 5), pytest.mark.alone]


def pressure(trial: str) -> tuple[int, dict[str, Any], str]:
    """Run a trial, and return its exit code, its result and its standard error."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tools.pressure", "--quick", "--json", trial]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    (found,) = json.loads(done.stdout or "[{}]")
    return done.returncode, found, done.stderr


def test_an_agent_that_does_not_read_fills_the_journal_and_not_the_memory() -> None:
    code, found, errors = pressure("deaf")
    assert (code, found["problems"]) == (0, []), errors
    assert int(found["facts"]["handed to the session"]) <= 100
    assert int(found["facts"]["in the journal only"]) >= found["size"]["count"] - 100


def test_a_burst_waits_and_arrives_in_order() -> None:
    code, found, errors = pressure("burst")
    assert (code, found["problems"]) == (0, []), errors


def test_large_messages_wait_in_the_journal_and_not_on_their_way_to_the_disk() -> None:
    code, found, errors = pressure("large")
    assert (code, found["problems"]) == (0, []), errors
