"""Runs the embedded task backend as a child process, and falls with it so that its supervisor starts it again."""

import os
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

import structlog

from actors.lib.deadlines import BACKEND_PROCESS as STOP_SECONDS
from actors.lib.errors import ConfigurationError, CoordinatorError
from actors.lib.process_marks import work_dir_mark
from actors.protocol.base import Model
from supervisors import Actor, ActorContext

log = structlog.get_logger(__name__)

START_SECONDS = 30.0
REFUSED, IN_USE = 2, 3
"""The backend's exit codes where its directory, database or address can't be used, or belongs to another program."""
ADVICE = {
    REFUSED: "look at WORK_DIR and EMBEDDED_DATABASE_URL",
    IN_USE: "set another EMBEDDED_PORT, or WS_URL to the backend that runs there",
}
"""What a person can do about it."""
TAIL = 20
"""How many of its last lines are told when it ends."""


class BackendFailedError(CoordinatorError):
    """The embedded backend has ended, or didn't start."""


class Ended(Model):
    """From the watching thread: the process has ended. An earlier incarnation's may still wait to be read."""

    pid: int
    code: int


class BackendActor(Actor):
    """Owns the backend's process. Its start is over when it accepts connections.

    Args:
        port: Where it listens on loopback.
        work_dir: Where its database and its token lie.
        database_url: Another database than the file in ``work_dir``.
        root: Where the product lies: the directory that holds the package ``backend``.
    """

    def __init__(
        self, context: ActorContext, *, port: int, work_dir: Path, root: Path, database_url: str | None = None
    ) -> None:
        super().__init__(context)
        # A DATABASE_URL of the user's own is some other program's: only the one that was meant for us counts.
        others = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        own = {"DATABASE_URL": database_url} if database_url else {}
        # By the mark the next coordinator finds, and ends, one that doesn't fall with us.
        self._environment = others | own | work_dir_mark(work_dir)
        self._port = port
        self._work_dir = work_dir
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        self._log_thread: threading.Thread | None = None
        self._watch_thread: threading.Thread | None = None
        self._tail: deque[str] = deque(maxlen=TAIL)

    def on_start(self) -> None:
        """Start the process, and wait until it says that it is ready."""
        self._process = process = subprocess.Popen(  # noqa: S603 - our own program
            self._command(),
            stdin=subprocess.PIPE,  # its end is the backend's end, also where we are killed
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self._root,
            env=self._environment,
            start_new_session=True,  # an interrupt at the terminal is ours to pass on, in order
        )
        self._log_thread = threading.Thread(target=self._read_log, args=(process,), daemon=True)
        self._log_thread.start()
        impatience = threading.Timer(START_SECONDS, process.kill)
        impatience.start()
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("ready "):
                self._fail(process.wait())
        finally:
            impatience.cancel()
        log.info("backend_ready", url=line.split()[1])
        self._watch_thread = threading.Thread(target=self._watch, args=(process,), daemon=True)
        self._watch_thread.start()

    def on_receive(self, message: object) -> None:
        """Fall when the process has fallen."""
        match message:
            case Ended(pid=pid, code=code):
                if self._process is not None and self._process.pid == pid:
                    self._fail(code)
            case _:
                raise TypeError(f"the backend's actor knows no {type(message).__name__}")

    def on_exit(self, reason: BaseException | None) -> None:  # noqa: ARG002 - it ends in any case
        """End the process: SIGTERM, then SIGKILL."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in (self._log_thread, self._watch_thread):
            if thread is not None:
                thread.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def _command(self) -> list[str]:
        options = ["--port", str(self._port), "--work-dir", str(self._work_dir), "--exit-with-stdin"]
        return [sys.executable, "-m", "backend", *options]

    def _read_log(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stderr or ():
            self._tail.append(line.rstrip())

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        self.handle.tell(Ended(pid=process.pid, code=process.wait()))

    def _fail(self, code: int) -> None:
        if self._log_thread is not None:
            self._log_thread.join(1.0)
        if code in ADVICE and self._tail:
            raise ConfigurationError(f"the embedded backend can't start ({self._tail[-1]}); {ADVICE[code]}")
        raise BackendFailedError(
            f"the embedded backend ended with exit code {code}:\n" + "\n".join(self._tail)
        )
