"""The command line on the journal of a coordinator that doesn't run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from actors.workdir import prepare
from tests.actors.router.office import Office
from tests.claude import ROOT


class Commands:
    """A work directory, its journal, and the commands that read it.

    Args:
        directory: The work directory.
        fill: Does what the journal is to have.
    """

    def __init__(self, directory: Path, fill: Callable[[Office], None]) -> None:
        self.directory = directory
        prepare(directory)
        office = Office(directory, on_disk=True)
        fill(office)
        office.close()

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a command to its end, in this environment."""
        given = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "WORK_DIR": str(self.directory),
            "COORDINATOR_PROGRAM": "agent-coordinator",
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "actors.main", *words],
            env=given | environment, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip

    def shown(self, *words: str, **environment: str) -> str:
        """Return what a command shows; it must succeed."""
        done = self.run(*words, **environment)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()
