"""Claude's standard input: a named pipe whose writer never blocks."""

import errno
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from actors.lib.failpoints import failpoint


class InputPipe:
    """A named pipe, written at once while there is space, and by a thread of its own while there is none.

    Args:
        path: The path of the pipe (0600); what lies there is replaced.
        on_written: Called with the tag of each message that had to wait, once all of it is written.

    Raises:
        OSError: It can't be made.
    """

    def __init__(self, path: Path, on_written: Callable[[str], None]) -> None:
        self._on_written = on_written
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        with ExitStack() as undo:
            self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, self.reader)
            self._writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, self._writer)
            os.set_blocking(self.reader, True)
            self._wake_reader, self._wake_writer = os.pipe()
            undo.pop_all()
        self._lock = threading.Lock()
        self._backlog: deque[tuple[str, memoryview]] = deque()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def give_away_reader(self) -> None:
        """Close our copy of the reading end, which the child has now: when the child ends, so does the pipe."""
        os.close(self.reader)

    def write_all(self, messages: list[tuple[str, bytes]]) -> list[str]:
        """Write messages, each with its tag, in one call.

        Where nobody reads any more they are dropped, as the process has ended then.

        Returns:
            The tags of those that are completely written; the others are reported by ``on_written``.
        """
        with self._lock:
            if self._is_closed:
                return [tag for tag, _ in messages]  # its descriptors may be in use for other files by now
            rest = memoryview(b"".join(data for _, data in messages))
            if not self._backlog:
                rest = self._write_some(rest)
            waiting = left_over(messages, len(rest))
            if waiting:
                failpoint("session.write.partly")
            self._backlog.extend(waiting)
            if waiting and self._thread is None:
                thread = threading.Thread(target=self._drain, name="session-pipe", daemon=True)
                thread.start()
                self._thread = thread
            return [tag for tag, _ in messages[: len(messages) - len(waiting)]]

    def close(self) -> None:
        """Close the pipe, and drop what waits."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
            os.write(self._wake_writer, b"x")
        if thread is not None:
            thread.join()
        for fd in (self._writer, self._wake_reader, self._wake_writer):
            os.close(fd)

    def _write_some(self, data: memoryview) -> memoryview:
        try:
            return data[os.write(self._writer, data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            return data[:0]

    def _drain(self) -> None:
        while True:
            self._wait_for_room()
            with self._lock:
                if self._is_closed:
                    return
                written = self._drain_some()
                is_done = not self._backlog
                if is_done:
                    self._thread = None
            for tag in written:
                self._on_written(tag)
            if is_done:
                return

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._wake_reader, select.POLLIN)
        poll.register(self._writer, select.POLLOUT)
        poll.poll()

    def _drain_some(self) -> list[str]:
        written = []
        while self._backlog:
            tag, rest = self._backlog[0]
            rest = self._write_some(rest)
            if rest:
                self._backlog[0] = tag, rest
                break
            self._backlog.popleft()
            written.append(tag)
        return written


def left_over(messages: list[tuple[str, bytes]], size: int) -> list[tuple[str, memoryview]]:
    """Return the last ``size`` bytes of the messages, by message; the first of them may be only the end of one."""
    found: list[tuple[str, memoryview]] = []
    for tag, data in reversed(messages):
        if size <= 0:
            break
        found.append((tag, memoryview(data)[max(0, len(data) - size) :]))
        size -= len(data)
    return found[::-1]
