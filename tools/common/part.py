"""A process of a measurement, which is controlled over pipes and reports at its end."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

STOP_SECONDS = 30.0


class Part:
    """A process that prints lines, and ends when its standard input does.

    Args:
        module: The program, such as ``tools.bench.backend``.
        arguments: Its arguments.
        environment: More environment variables.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._module = module
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.pid = self._process.pid

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def hear(self) -> str:
        """Return the next line of its output.

        Raises:
            RuntimeError: It has ended.
        """
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"{self._module} ended with {self._process.wait(STOP_SECONDS)}")
        return line.strip()

    def end(self) -> dict[str, Any]:
        """End the process, by force if it takes too long.

        Returns:
            Its final report: one JSON object, or empty if there is none.

        Raises:
            ValueError: It was ended by force, and its report is cut off.
        """
        try:
            said = self._process.communicate(timeout=STOP_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self._process.kill()
            said = self._process.communicate()[0]
        return dict(json.loads(said)) if said.strip() else {}
