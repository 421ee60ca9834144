"""Programs of the product, forked from a process that has their libraries loaded.

Libraries take most of a start's processor time, and nothing of theirs is tested here. The product's own modules are
loaded in the fork, as ``python -m`` loads them. `tests/test_installation.py` and `tests/test_scripts.py` start the
programs as users do.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = [
    "fastapi", "mcp.server.mcpserver", "orjson", "pexpect", "psutil", "pydantic_settings", "pykka", "rich.markdown",
    "rich.table", "sqlalchemy.dialects.sqlite", "structlog", "typer.rich_utils", "uvicorn", "watchfiles", "websocket",
    "yaml",
]  # fmt: skip

RUN_SECONDS = 120.0
"""Most seconds that `run` waits."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LIBRARIES)


def warm_up() -> None:
    """Start the process that is forked. It ends with this one."""
    forkserver.ensure_running()


class Forked:
    """A process of a program, with the part of `subprocess.Popen` that tests need.

    Args:
        module: The program, as after ``python -m``.
        words: Its arguments.
        environment: Its environment variables.
        stdout: The descriptor of its standard output.
        stderr: The descriptor of its standard error.
        directory: The directory that it runs in.
    """

    def __init__(
        self,
        module: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdout: int,
        stderr: int,
        directory: Path = ROOT,
    ) -> None:
        outputs = [Connection(os.dup(each)) for each in (stdout, stderr)]
        arguments = (module, list(words), dict(environment), directory, outputs)
        self._process = _context.Process(target=_become, args=arguments)
        self._process.start()
        for each in outputs:
            each.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: It has not ended within so many seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("the program", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to it, unless it has ended."""
        if self._process.is_alive():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it if it still runs, and release what it needed here."""
        self.kill()
        self._process.join()
        self._process.close()


def run(
    module: str, words: Sequence[str], environment: Mapping[str, str], *, directory: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    """Run a program until it ends."""
    with _file() as out, _file() as errors:
        process = Forked(
            module, words, environment, stdout=out.fileno(), stderr=errors.fileno(), directory=directory
        )
        with closing(process):
            code = process.wait(RUN_SECONDS)
        return subprocess.CompletedProcess(words, code, _whole(out), _whole(errors))


def _file() -> IO[str]:
    return TemporaryFile("w+", encoding="utf-8")


def _whole(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _become(
    module: str, words: list[str], environment: dict[str, str], directory: Path, outputs: list[Connection]
) -> None:
    """Be the program, with nothing left of the process that was forked but its libraries."""
    os.setsid()
    os.chdir(directory)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, each in enumerate(outputs, start=1):
        os.dup2(each.fileno(), number)
        each.close()
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # open until it ends
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  # the same
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
