"""Tests of chaos: parts are killed at random, and nothing is lost, doubled, reordered or wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.claude import ROOT

SECONDS = 200
pytestmark = [pytest.mark.timeout(SECONDS + 40), pytest.mark.alone]


def chaos(*words: str) -> tuple[int, dict[str, Any], str]:
    """Run chaos, and return its exit code, its report and its standard error."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tools.chaos", "--json", *words]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends what it has started
            output, errors = process.communicate(timeout=30)
            pytest.fail(f"it did not end: {errors}")
    return process.returncode, json.loads(output or "{}"), errors


def left_behind(home: Path) -> list[list[str]]:
    """Return the processes that still run in this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(home):
                found.append(process.cmdline())
        except (psutil.Error, OSError):
            continue  # gone, or somebody else's
    return found


def test_whatever_dies_each_context_arrives_once(tmp_path: Path) -> None:
    seed = "2026"  # other seeds are for ``scripts/chaos``, which runs for longer too
    # When everything dies at random for a while
    directory = tmp_path / "chaos"
    code, found, errors = chaos("--seed", seed, "--minutes", "0.25", "--keep", str(directory))
    # Then work went on, and each context was received once
    assert code == 0, f"seed {seed}\n{errors}"
    assert {kind: found[kind] for kind in ("lost", "doubled", "reordered", "wrong")} == {
        "lost": 0, "doubled": 0, "reordered": 0, "wrong": 0,
    }  # fmt: skip
    assert sum(found["kills"].values()) >= 10
    assert int(found["figures"]["events in the journal"]) >= 50
    # And nothing runs any more
    assert left_behind(directory / "home") == []
