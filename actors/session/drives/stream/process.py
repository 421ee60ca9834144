"""One claude process in a PTY: start, read, write, stop, and end whatever it leaves behind.

pexpect reads the terminal; the process itself is made by ``subprocess``, which costs the same however much
memory the coordinator holds (pexpect's own fork does not), and gives it the named pipe as standard input: with
stream-json, claude's input must not be a terminal.
"""

import os
import signal
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
import structlog
from pexpect import fdpexpect

from actors.lib.children import spawn
from actors.lib.deadlines import READER as JOIN_SECONDS
from actors.lib.files import open_ours
from actors.lib.leftovers import Family, begin_end_of_leftovers, end_leftovers, family_of
from actors.lib.process_marks import MARK
from actors.session.drives.stream.pipe import InputPipe
from actors.session.drives.stream.watcher import Watcher

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
ROOM_SECONDS = 0.05
"""Seconds until a process whose output nobody has room for is asked after again."""


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = open_ours(path, os.O_RDONLY)
    with _closing(descriptor):
        yield descriptor


class ClaudeProcess:
    """A running claude, whose output and end the watcher waits for.

    It holds three descriptors: its terminal, the writing end of its input, and its pidfd.

    Args:
        arguments: The command line.
        environment: The whole environment; ``MARK`` is added.
        directory: Its working directory.
        pipe: The named pipe's path.
        errors: The file that takes its standard error.
        session_id: The conversation; its processes are marked with it.
        has_room: Tells whether ``on_lines`` may be called now. While it may not, nothing is read, so that a process
            that says too much is slowed down, and no other one is.
        on_lines: Called with each batch of complete lines.
        on_written: Called with the tag of each message that had to wait, once it is written.
        on_exit: Called once, when it and all that it had started have ended without ``stop``, with the exit code
            (negative: the signal) and the end of its standard error. None of these may wait for anything: they are
            called in threads that all processes share.
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
        has_room: Callable[[], bool],
        on_lines: Callable[[list[bytes]], None],
        on_written: Callable[[str], None],
        on_exit: Callable[[int, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._has_room = has_room
        self._on_lines = on_lines
        self._on_exit = on_exit
        self._errors = errors
        self._session_id = session_id
        self._clock = clock
        self.heard_at = clock()
        # A long line comes in small pieces: joining them anew each time would be quadratic.
        self._rest = bytearray()
        self._left: int | None = None
        self._family: Family = []
        self._is_stopped = False
        self._has_ended, self._is_over = threading.Event(), threading.Event()
        with ExitStack() as undo:
            self._watcher = Watcher.enter()
            undo.callback(self._watcher.leave)
            self._pipe = InputPipe(pipe, on_written, self._watcher)
            undo.callback(self._pipe.close)
            undo.callback(self._pipe.give_away_reader)
            terminal, child_terminal = os.openpty()
            undo.callback(os.close, terminal)
            errors.unlink(missing_ok=True)  # whatever was there is neither followed nor waited for
            error_file = open_ours(errors, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with _closing(child_terminal), _closing(error_file):
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
            self._end = os.pidfd_open(self.pid)
            self._terminal: fdpexpect.fdspawn[bytes] = fdpexpect.fdspawn(
                terminal, timeout=None, use_poll=True
            )
            undo.pop_all()
        self._pipe.give_away_reader()
        self._watcher.call(self._watch)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def write_all(self, messages: list[tuple[str, bytes]]) -> list[str]:
        """Write messages in one call; return the tags of those that needn't wait for space."""
        return self._pipe.write_all(messages)

    def stop(self, seconds: float) -> None:
        """End the process and everything that it started: by SIGTERM, and by SIGKILL after ``seconds``.

        What it still says is lost, and ``on_exit`` isn't called, unless its end was noticed before.
        """
        self._is_stopped = True
        self._signal(signal.SIGTERM)
        if not self._has_ended.wait(seconds):
            self._signal(signal.SIGKILL)
        end_leftovers(self._session_id, self._family)
        if not self._is_over.wait(JOIN_SECONDS):
            log.warning("session_process_abandoned", session=self._session_id, pid=self.pid)

    def kill(self) -> None:
        """End the process at once; ``on_exit`` follows."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self._has_ended.is_set():
            # Those that have shed their marks belong to it as long as it lives; then nothing tells any more.
            self._family = family_of(self.pid)
            self._process.send_signal(number)

    # ------------------------------------------------------------ in the watcher's thread

    def _watch(self) -> None:
        self._watcher.loop.add_reader(self._end, self._ended)
        self._listen()

    def _listen(self) -> None:
        if self._left is None:
            self._watcher.loop.add_reader(self._terminal.child_fd, self._read)

    def _read(self) -> None:
        """Read once, as the terminal has something, or nobody has it open any more."""
        if not self._has_room():
            self._watcher.loop.remove_reader(self._terminal.child_fd)
            self._watcher.loop.call_later(ROOM_SECONDS, self._listen)
            return
        try:
            self._take_in(self._terminal.read_nonblocking(READ_SIZE, timeout=0))
        except pexpect.TIMEOUT:
            return
        except (pexpect.EOF, OSError):
            self._watcher.loop.remove_reader(self._terminal.child_fd)
            self._watcher.loop.call_later(CLOSED_SECONDS, self._end_mute)

    def _end_mute(self) -> None:
        """Kill a claude that has closed its terminal but lives on."""
        if self._left is None:
            self.kill()

    def _ended(self) -> None:
        self._watcher.loop.remove_reader(self._end)
        self._watcher.loop.remove_reader(self._terminal.child_fd)
        self._process.wait()
        self._has_ended.set()
        self._left = LEFT_BEHIND
        if self._is_stopped:
            self._finish()  # nobody listens any more
        else:
            self._read_rest()

    def _read_rest(self) -> None:
        """Read what is left in the terminal, which a child may keep open, a piece at a time."""
        if not self._has_room():
            self._watcher.loop.call_later(ROOM_SECONDS, self._read_rest)
            return
        try:
            data = self._terminal.read_nonblocking(READ_SIZE, timeout=0)
        except (pexpect.TIMEOUT, pexpect.EOF, OSError):
            self._finish()
            return
        self._take_in(data)
        self._left = (self._left or 0) - len(data)
        self._watcher.loop.call_soon(self._read_rest if self._left > 0 else self._finish)

    def _take_in(self, data: bytes) -> None:
        self.heard_at = self._clock()
        self._rest += data
        if b"\n" in data:
            *lines, last = bytes(self._rest).split(b"\n")
            self._rest = bytearray(last)
            self._on_lines(lines)
        del self._rest[:-LINE_LIMIT]

    def _finish(self) -> None:
        if self._rest and not self._is_stopped:
            self._on_lines([bytes(self._rest)])
        os.close(self._end)
        self._terminal.close()
        self._pipe.close()
        self._watcher.leave()
        self._is_over.set()
        if not self._is_stopped:
            code, noise = self._process.returncode, self._noise()
            begin_end_of_leftovers(self._session_id, self._family, lambda: self._on_exit(code, noise))

    def _noise(self) -> str:
        try:
            with _opened(self._errors) as fd:
                begin = max(0, os.fstat(fd).st_size - NOISE_TAIL)
                return os.pread(fd, NOISE_TAIL, begin).decode(errors="replace").strip()
        except OSError:
            return ""
