"""The command line on the journal of a coordinator that doesn't run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result

from actors.cli.app import app
from actors.lib.errors import CoordinatorError
from actors.lib.program import VARIABLE, repeat_options
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
        """Run a command as a program to its end, in this environment."""
        given = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **self._environment}
        return subprocess.run(
            [sys.executable, "-m", "actors.main", *words],
            env=given | environment, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip

    def shown(self, *words: str) -> str:
        """Return what a command shows; it must succeed."""
        done = self._call(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refusal(self, *words: str) -> str:
        """Return why a command is refused; it must be."""
        done = self._call(*words)
        assert isinstance(done.exception, CoordinatorError), done.output
        return str(done.exception)

    def _call(self, *words: str) -> Result:
        try:
            return CliRunner().invoke(app, words, env=self._environment)
        finally:
            repeat_options()

    @property
    def _environment(self) -> dict[str, str]:
        return {"WORK_DIR": str(self.directory), VARIABLE: "agent-coordinator"}
