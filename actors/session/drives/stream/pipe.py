"""Claude's standard input: a named pipe whose writer never blocks."""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from actors.lib.failpoints import failpoint
from actors.session.drives.stream.watcher import Watcher


class InputPipe:
    """A named pipe, written at once while there is space, and by the watcher while there is none.

    Args:
        path: The path of the pipe (0600); what lies there is replaced.
        on_written: Called with the tag of each message that had to wait, once all of it is written.
        watcher: Waits for space.

    Raises:
        OSError: It can't be made.
    """

    def __init__(self, path: Path, on_written: Callable[[str], None], watcher: Watcher) -> None:
        self._on_written = on_written
        self._watcher = watcher
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        with ExitStack() as undo:
            self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, self.reader)
            self._writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.set_blocking(self.reader, True)
            undo.pop_all()
        self._lock = threading.Lock()
        self._backlog: deque[tuple[str, memoryview]] = deque()
        self._is_watched = False
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
                return [tag for tag, _ in messages]  # its descriptor may be in use for another file by now
            rest = memoryview(b"".join(data for _, data in messages))
            if not self._backlog:
                rest = self._write_some(rest)
            waiting = left_over(messages, len(rest))
            if waiting:
                failpoint("session.write.partly")
            self._backlog.extend(waiting)
            if waiting and not self._is_watched:
                self._is_watched = True
                self._watcher.call(self._watch)
            return [tag for tag, _ in messages[: len(messages) - len(waiting)]]

    def close(self) -> None:
        """Close the pipe, and drop what waits."""
        with self._lock:
            self._is_closed = True
            if self._is_watched:
                self._watcher.call(self._unwatch_and_close)
            else:
                os.close(self._writer)

    def _write_some(self, data: memoryview) -> memoryview:
        try:
            return data[os.write(self._writer, data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            return data[:0]

    # ------------------------------------------------------------ in the watcher's thread

    def _watch(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._watcher.loop.add_writer(self._writer, self._drain)

    def _unwatch_and_close(self) -> None:
        self._watcher.loop.remove_writer(self._writer)
        os.close(self._writer)

    def _drain(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            written = self._drain_some()
            if not self._backlog:
                self._watcher.loop.remove_writer(self._writer)
                self._is_watched = False
        for tag in written:
            self._on_written(tag)

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
