"""A service manager like systemd: it restarts a program that ends, except after exit code 2."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tools.chaos.log import ActorRestart, restart

STOP_SECONDS = 20.0
PAUSE = 0.2
"""Seconds before a program that ended by itself is restarted."""
STAYS_DOWN = 2
"""The exit code for user errors, after which it is not restarted (``RestartPreventExitStatus``)."""


class DownError(RuntimeError):
    """The program's exit code forbids a restart."""


class Keeper:
    """Runs a program from a thread, and restarts it when it ends, unless its exit code forbids that.

    Args:
        command: The program.
        environment: Its whole environment.
        directory: Its working directory.
        ready: Tells whether a line of its standard output or error is its ready line.
        log: The file for its standard error.
        pass_fds: Descriptors that it inherits.

    Attributes:
        before_start: Called before each start.
        started: The times at which it became ready, in seconds since the epoch.
        restarts: The restarts of its actors, from its log.
        exits: The number of ends by exit code, without the requested ends.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: Path,
        ready: Callable[[bytes], bool],
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._command, self._environment = list(command), dict(environment)
        self._directory, self._ready, self._log = directory, ready, log
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._is_ready = False
        self._is_over = False
        self._is_down = False
        self._killed = False
        self.before_start: Callable[[], object] = lambda: None
        self.started: list[float] = []
        self.restarts: list[ActorRestart] = []
        self.exits: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run, name=f"keeper-{log.stem}", daemon=True)

    def start(self) -> None:
        """Start the program and keep it running."""
        self._thread.start()

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait until the program is ready.

        Raises:
            DownError: It ended and will not be restarted.
            TimeoutError: It is not ready in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_ready or self._is_down, seconds):
                raise TimeoutError(f"not ready within {seconds} s; see {self._log}")
            if self._is_down:
                raise DownError(f"it ended with exit code {STAYS_DOWN}; see {self._log}")

    @property
    def is_ready(self) -> bool:
        """True while it runs and is ready."""
        return self._is_ready

    @property
    def pid(self) -> int | None:
        """The id of its process; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> bool:
        """Kill the program with a signal; return False if it isn't running."""
        with self._changed:
            if self.pid is None or self._process is None:
                return False
            self._killed, self._is_ready = True, False
            self._process.send_signal(number)
            return True

    def say(self, line: str) -> bool:
        """Write a line to its standard input; return False if it isn't running."""
        with self._changed:
            if not self._is_ready or self._process is None or self._process.stdin is None:
                return False
            with suppress(OSError):
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()
                return True
        return False

    def stop(self) -> int | None:
        """End the program for good with SIGTERM. Return its exit code; None if it had to be killed."""
        with self._changed:
            self._is_over = True
            process = self._process
        if process is None:
            return None
        with suppress(OSError):
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        finally:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        with self._log.open("ab") as log:
            while self._begin():
                self._live(log)

    def _begin(self) -> bool:
        self.before_start()
        with self._changed:
            if self._is_over or self._is_down:
                return False
            self._killed = False
            self._process = subprocess.Popen(  # noqa: S603 - the product
                self._command,
                env=self._environment,
                cwd=self._directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=self._pass_fds,
                start_new_session=True,
            )
            return True

    def _live(self, log: BinaryIO) -> None:
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("there is no process")
        reader = threading.Thread(target=self._read_log, args=(process, log), daemon=True)
        reader.start()
        for line in process.stdout:
            self._look_at(line)
        code = process.wait()
        reader.join()
        with self._changed:
            self._is_ready = False
            # None of the signals sent here leads to that code.
            self._is_down = code == STAYS_DOWN and not self._is_over
            expected = (self._killed and not self._is_down) or self._is_over
            if not expected:
                self.exits[code] += 1
            self._changed.notify_all()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # the rest of the input has no reader
                stream.close()  # type: ignore[union-attr]  # they are pipes
        if not expected:
            time.sleep(PAUSE)

    def _look_at(self, line: bytes) -> None:
        if not self._ready(line):
            return
        with self._changed:
            self._is_ready = True
            self.started.append(time.time())
            self._changed.notify_all()

    def _read_log(self, process: "subprocess.Popen[bytes]", log: BinaryIO) -> None:
        for line in process.stderr or ():
            log.write(line)
            self._look_at(line)
            if found := restart(line):
                self.restarts.append(found)
