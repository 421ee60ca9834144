"""One claude process in a PTY: start, read, write, stop, and end whatever it leaves behind.

pexpect reads the terminal; the process itself is made by ``subprocess``, which costs the same however much
memory the coordinator holds (pexpect's own fork does not), and gives it the named pipe as standard input: with
stream-json, claude's input must not be a terminal.
"""

import errno
import os
import selectors
import signal
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
import structlog
from pexpect import fdpexpect

from actors.lib.children import descendants, spawn
from actors.lib.deadlines import READER as JOIN_SECONDS
from actors.lib.leftovers import end_leftovers
from actors.lib.process_marks import MARK
from actors.session.drives.stream.pipe import InputPipe

log = structlog.get_logger(__name__)

READ_SIZE = 65536
NOISE_TAIL = 2000
"""The end of claude's standard error that is reported when it ends, in bytes."""
LINE_LIMIT = 64 * 1024 * 1024
"""The longest line, in bytes; of a longer one only the end is kept, and no session needs such a line."""
LEFT_BEHIND = 1024 * 1024
"""Bytes that are still read after the process has ended. A terminal holds less, so anything beyond comes from a
child that goes on without it."""
CLOSED_SECONDS = 2.0
"""Seconds that a process may live after it has closed its terminal."""


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


class _Watch:
    """Waits for a process's output, or for its end (where the system can tell)."""

    def __init__(self, pid: int, terminal: int) -> None:
        self._terminal = terminal
        self._end: int | None = None
        with ExitStack() as opened:
            self._selector = opened.enter_context(selectors.DefaultSelector())
            self._selector.register(terminal, selectors.EVENT_READ)
            if hasattr(os, "pidfd_open"):
                self._end = os.pidfd_open(pid)
                opened.callback(os.close, self._end)
                self._selector.register(self._end, selectors.EVENT_READ)
            self._opened = opened.pop_all()

    def wait(self) -> tuple[bool, bool]:
        """Wait; return whether there is something to read, and whether the process has ended."""
        ready = [key.fd for key, _ in self._selector.select()]
        return self._terminal in ready, self._end in ready

    def close(self) -> None:
        """Stop watching."""
        self._opened.close()


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:  # how Python says that the system has no thread left
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error


class ClaudeProcess:
    """A running claude, with a thread that reads its output.

    Args:
        arguments: The command line.
        environment: The whole environment; ``MARK`` is added.
        directory: Its working directory.
        pipe: The named pipe's path.
        errors: The file that takes its standard error.
        session_id: The conversation; its processes are marked with it.
        on_lines: Called in the reading thread with each batch of complete lines.
        on_written: Called with the tag of each message that had to wait, once it is written.
        on_exit: Called once, in the reading thread, with the exit code (negative: the signal) and the end of its
            standard error.
        clock: Returns the seconds of a monotonic clock.

    Attributes:
        heard_at: The time of its last output, on that clock.

    Raises:
        OSError: It can't be started, or can't be read; nothing of it is left then.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        pipe: Path,
        errors: Path,
        session_id: str,
        on_lines: Callable[[list[bytes]], None],
        on_written: Callable[[str], None],
        on_exit: Callable[[int, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_lines = on_lines
        self._on_exit = on_exit
        self._errors = errors
        self._session_id = session_id
        self._clock = clock
        self.heard_at = clock()
        with ExitStack() as undo:
            self._pipe = InputPipe(pipe, on_written)
            undo.callback(self._pipe.close)
            undo.callback(self._pipe.give_away_reader)
            terminal, child_terminal = os.openpty()
            undo.callback(os.close, terminal)
            with _closing(child_terminal), errors.open("wb") as error_file:
                tty.setraw(child_terminal)  # in canonical mode a PTY cuts lines at 4096 bytes
                self._process = spawn(
                    arguments,
                    stdin=self._pipe.reader,
                    stdout=child_terminal,
                    stderr=error_file,
                    cwd=directory,
                    env={**environment, MARK: session_id},
                    start_new_session=True,
                )
            undo.callback(self._process.wait)
            undo.callback(self._process.kill)
            self._watch = _Watch(self.pid, terminal)
            undo.callback(self._watch.close)
            self._terminal: fdpexpect.fdspawn[bytes] = fdpexpect.fdspawn(
                terminal, timeout=None, use_poll=True
            )
            self._reader = threading.Thread(target=self._read, name=f"session-{self.pid}", daemon=True)
            _start(self._reader)
            undo.pop_all()
        self._pipe.give_away_reader()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def write_all(self, messages: list[tuple[str, bytes]]) -> list[str]:
        """Write messages in one call; return the tags of those that needn't wait for space."""
        return self._pipe.write_all(messages)

    def stop(self, seconds: float) -> None:
        """End the process and everything that it started: by SIGTERM, and by SIGKILL after ``seconds``."""
        deadline = time.monotonic() + seconds
        family = [] if self._process.poll() is not None else descendants(self.pid)
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
        end_leftovers(self._session_id, family)
        self._reader.join(JOIN_SECONDS)  # it collects the process
        if self._reader.is_alive():
            log.warning("session_reader_abandoned", session=self._session_id, pid=self.pid)

    def kill(self) -> None:
        """End the process at once; ``on_exit`` follows."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _read(self) -> None:
        rest = (
            bytearray()
        )  # a long line comes in small pieces: joining them anew each time would be quadratic
        for data in self._chunks():
            self.heard_at = self._clock()
            rest += data
            if b"\n" in data:
                *lines, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                self._on_lines(lines)
            del rest[:-LINE_LIMIT]
        if rest:
            self._on_lines([bytes(rest)])
        code = self._wait()
        self._watch.close()
        self._terminal.close()
        self._pipe.close()
        self._on_exit(code, self._noise())

    def _chunks(self) -> Iterator[bytes]:
        """Yield the terminal's output until it or the process has ended (a child may keep the terminal open)."""
        left = LEFT_BEHIND
        while left > 0:
            has_more, has_ended = self._watch.wait()
            if not has_more:
                return
            try:
                data = self._terminal.read_nonblocking(READ_SIZE, timeout=0)
            except (pexpect.EOF, OSError):
                return
            left -= len(data) if has_ended else 0
            yield data

    def _wait(self) -> int:
        """Return the exit code; kill a claude that has closed its terminal but lives on."""
        try:
            return self._process.wait(timeout=CLOSED_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _noise(self) -> str:
        try:
            with self._errors.open("rb") as file:
                file.seek(max(0, self._errors.stat().st_size - NOISE_TAIL))
                return file.read().decode(errors="replace").strip()
        except OSError:
            return ""
