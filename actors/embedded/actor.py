"""The actor of the embedded task backend. It fails when its child process ends, so that its supervisor restarts it."""

import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import structlog

from actors.lib.children import spawn
from actors.lib.deadlines import BACKEND_PROCESS as STOP_SECONDS
from actors.lib.errors import ConfigurationError, CoordinatorError
from actors.lib.process_marks import work_dir_mark
from actors.protocol.base import Model
from supervisors import Actor, ActorContext

log = structlog.get_logger(__name__)

START_SECONDS = 30.0
REFUSED, IN_USE = 2, 3
"""The backend's exit codes when its directory or database can't be used, or its directory is in use."""
ADVICE = {
    REFUSED: "look at WORK_DIR and EMBEDDED_DATABASE_URL",
    IN_USE: "stop it, or set another WORK_DIR",
}
"""Advice for people, by exit code."""
TAIL = 20
"""Number of its last log lines in the error when it ends."""


class BackendFailedError(CoordinatorError):
    """The embedded backend has ended, or did not start."""


class Ended(Model):
    """The notice of the watching thread that the process has ended. It may be from an earlier incarnation."""

    pid: int
    code: int


class BackendActor(Actor):
    """Owns the backend's process. Its start is over when the backend accepts connections.

    Args:
        listeners: The listening sockets that it serves; they outlive it, so that no other program can take its port
            while it is down. The first one's address is its own.
        work_dir: The directory of its database and its token.
        database_url: A database to use instead of the file in ``work_dir``.
        root: The directory that contains the package ``backend``.
    """

    def __init__(
        self,
        context: ActorContext,
        *,
        listeners: Sequence[socket.socket],
        work_dir: Path,
        root: Path,
        database_url: str | None = None,
    ) -> None:
        super().__init__(context)
        # A DATABASE_URL in the user's environment is for other programs.
        others = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        own = {"DATABASE_URL": database_url} if database_url else {}
        # By this mark the next coordinator finds and ends a backend that outlives this process.
        self._environment = others | own | work_dir_mark(work_dir)
        self._listeners = [each.fileno() for each in listeners]
        self._work_dir = work_dir
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        self._log_thread: threading.Thread | None = None
        self._watch_thread: threading.Thread | None = None
        self._tail: deque[str] = deque(maxlen=TAIL)

    def on_start(self) -> None:
        """Start the process, and wait for its ready line."""
        self._process = process = spawn(
            self._command(),
            stdin=subprocess.PIPE,  # closed when this process dies, which ends the backend
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self._root,
            env=self._environment,
            pass_fds=self._listeners,
            start_new_session=True,  # Ctrl-C goes to the coordinator only, which stops its children in order
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
        """Fail when the process has ended."""
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
        listeners = [f"--listener={each}" for each in self._listeners]
        options = [*listeners, "--work-dir", str(self._work_dir), "--exit-with-stdin"]
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
