"""The history file: one JSON object a line, only ever appended to."""

import os
from collections.abc import Iterable
from pathlib import Path

import orjson

from actors.lib.failpoints import failpoint
from actors.lib.files import open_ours, write_all

_BLOCK = 64 * 1024
_BEYOND = 2**53


class HistoryFile:
    """Appends lines, and knows where the file ends.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is known where the file ends; if not, nothing is appended."""
        return self._last is not None

    def last_number(self) -> int:
        """The number of the last line; 0 if there is none.

        A last line that a crash has left torn, or that is no line of ours, is cut off. Reads only the end.

        Raises:
            OSError: The file can't be read or cut.
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
        """Write lines, each with a ``number``; those up to the last number are there already.

        Raises:
            OSError: They could not be written whole; the end is not known until ``last_number`` mended it.
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


def shown(path: Path) -> int:
    """The number of the last whole line in a history file that somebody may be writing; 0 if there is none.

    A file that can't be read shows nobody anything.
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
    """Cut off what is no whole line at the end; the number of the last line that stays."""
    end, number = _last_line(fd)
    if end < os.fstat(fd).st_size:
        os.ftruncate(fd, end)
    return number


def _last_line(fd: int) -> tuple[int, int]:
    """Where the last whole line of ours ends, and its number; zeros if there is none."""
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
    """Where the line begins that goes up to ``end``."""
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
    # No journal comes that far: such a line isn't ours.
    return number if type(number) is int and 0 < number < _BEYOND else None
