"""One claude process in a PTY: started, read, written to, stopped, and whatever it leaves behind ended.

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

from actors.lib.deadlines import READER as JOIN_SECONDS
from actors.lib.process_marks import MARK, end_leftovers
from actors.session.drives.stream.pipe import InputPipe

log = structlog.get_logger(__name__)

READ_SIZE = 65536
NOISE_TAIL = 2000
"""How much of what claude wrote to standard error is told when it ends, in bytes."""
LINE_LIMIT = 64 * 1024 * 1024
"""A line longer than this is cut, in bytes: it is no line that a session needs."""
LEFT_BEHIND = 1024 * 1024
"""So much is still read once the process has ended, in bytes: more than a terminal holds, so what comes then is a
child's that goes on without it."""
CLOSED_SECONDS = 2.0
"""How long a process may live on that has closed its terminal."""


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


class _Watch:
    """Waits until a process says something, or has ended (where the system can tell)."""

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
        """Whether there is something to read, and whether it has ended."""
        ready = [key.fd for key, _ in self._selector.select()]
        return self._terminal in ready, self._end in ready

    def close(self) -> None:
        """Watch no more."""
        self._opened.close()


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:  # how Python says that the system has no thread left
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error


class ClaudeProcess:
    """A running claude.

    Args:
        arguments: The command line.
        environment: The whole environment; ``MARK`` is added.
        directory: Where it works.
        pipe: The named pipe's path.
        errors: The file that takes its standard error.
        session_id: The conversation, by which its children are marked.
        on_lines: Called in the reading thread with each batch of whole lines.
        on_written: Called with the tag of a message that had to wait and is written now.
        on_exit: Called once, in the reading thread, with the exit code (negative: the signal) and the end of its
            standard error.
        clock: Tells the seconds of a monotonic clock.

    Attributes:
        heard_at: When it last said anything, on that clock.

    Raises:
        OSError: It can't be started, or can't be listened to; nothing of it is left then.
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
                self._process = subprocess.Popen(  # noqa: S603 - the user's own CLAUDE_COMMAND
                    list(arguments),
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
        """Give it messages in one go; the tags of those that need not wait for room."""
        return self._pipe.write_all(messages)

    def stop(self, seconds: float) -> None:
        """End it, and all that it started: SIGTERM first, SIGKILL to what is left after ``seconds``."""
        deadline = time.monotonic() + seconds
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
        end_leftovers(self._session_id)
        self._reader.join(JOIN_SECONDS)  # it collects the process
        if self._reader.is_alive():
            log.warning("session_reader_abandoned", session=self._session_id, pid=self.pid)

    def kill(self) -> None:
        """End it at once; ``on_exit`` tells when it has."""
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
        """What comes from the terminal, until it or the process has ended (a child may keep it open)."""
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
        """The exit code; a claude that closed its terminal but lives on is of no use any more."""
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
