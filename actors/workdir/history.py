"""The history file, one JSON object a line, append-only."""

import os
from collections.abc import Iterable
from pathlib import Path

import orjson

from actors.lib.failpoints import failpoint
from actors.lib.files import open_ours, write_all

_BLOCK = 64 * 1024
_BEYOND = 2**53


class HistoryFile:
    """The history file and the number that it ends with.

    Lines have rising numbers, so a line that is there already is recognised and not written again.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: int | None = None

    @property
    def is_known(self) -> bool:
        """True if the file's last number is known; if not, nothing is appended."""
        return self._last is not None

    def last_number(self) -> int:
        """Return the number of the last line; 0 if there is none.

        It cuts off a last line that a crash has left incomplete, or that isn't ours. It reads only the file's end.

        Raises:
            OSError: The file can't be read or truncated.
        """
        try:
            fd = open_ours(self._path, os.O_RDWR)
        except FileNotFoundError:
            self._last = 0
            return 0
        try:
            self._last = _mend(fd)
        finally:
            os.close(fd)
        return self._last

    def append(self, lines: Iterable[bytes]) -> None:
        """Append lines, each with a ``number``; those up to the last number are skipped.

        Raises:
            OSError: They could not be written completely; the end is unknown until ``last_number`` has repaired it.
        """
        last, news = self._last, []
        if last is None:
            return
        for line in lines:
            number = orjson.loads(line)["number"]
            if number > last:
                news.append(line + b"\n")
                last = number
        if news:
            self._last = None
            failpoint("workdir.history.before")
            self._write(b"".join(news))
            failpoint("workdir.history.after")
            self._last = last

    def _write(self, data: bytes) -> None:
        fd = open_ours(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)


def last_exported(path: Path) -> int:
    """Return the number of the last complete line of a history file; 0 if there is none, or it can't be read.

    It changes nothing, so it may be called while another thread writes the file.
    """
    try:
        fd = open_ours(path, os.O_RDONLY)
    except OSError:
        return 0
    try:
        _, number = _last_line(fd)
    except OSError:
        return 0
    finally:
        os.close(fd)
    return number


def _mend(fd: int) -> int:
    """Cut off an incomplete last line; return the number of the last line that stays."""
    end, number = _last_line(fd)
    if end < os.fstat(fd).st_size:
        os.ftruncate(fd, end)
    return number


def _last_line(fd: int) -> tuple[int, int]:
    """Return the end of the last complete line of ours, in bytes, and its number; zeros if there is none."""
    end = os.fstat(fd).st_size
    while end > 0:
        begin = _after_newline(fd, end - 1)
        line = os.pread(fd, end - begin, begin)
        number = _number(line) if line.endswith(b"\n") else None
        if number is not None:
            return end, number
        end = begin
    return 0, 0


def _after_newline(fd: int, end: int) -> int:
    """Return the beginning of the line that ends at ``end``."""
    while end > 0:
        begin = max(0, end - _BLOCK)
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _number(line: bytes) -> int | None:
    try:
        number = orjson.loads(line)["number"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None
    # No journal has so many events: such a line isn't ours.
    return number if type(number) is int and 0 < number < _BEYOND else None
