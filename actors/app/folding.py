"""Folding of repeated log lines, so that the log's growth is bounded whatever happens to the machine."""

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple, TextIO

import structlog

FOLDED = "log_lines_folded"
"""The event that tells how many lines were left out."""
REPORT_SECONDS = 60.0
"""How often it is told, as long as anything is logged."""
REMEMBERED = 512
"""Lines and kinds of lines that are remembered, of each."""
KIND_LENGTH = 200

_log = structlog.stdlib.get_logger(__name__)


class _Allowance:
    """A token bucket: so many lines at once, and afterwards so many a second."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, most: float, rate: float, now: float) -> None:
        self._most, self._rate, self._left, self._at = most, rate, most, now

    def refill(self, now: float) -> bool:
        """Return whether a line may be written now."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left >= 1

    def take(self) -> None:
        """Use it for a line."""
        self._left -= 1


class _Allowances:
    """The allowances of the latest keys; one that was forgotten begins anew."""

    def __init__(self, most: float, rate: float) -> None:
        self._most, self._rate = most, rate
        self._by_key: OrderedDict[object, _Allowance] = OrderedDict()

    def of(self, key: object, now: float) -> _Allowance:
        found = self._by_key.pop(key, None) or _Allowance(self._most, self._rate, now)
        self._by_key[key] = found
        if len(self._by_key) > REMEMBERED:
            self._by_key.popitem(last=False)
        return found


class Kind(NamedTuple):
    """A kind of lines.

    Attributes:
        logger: The name of the logger.
        level: The number of the level.
        event: The event, or the beginning of a library's message with its numbers masked.
    """

    logger: str
    level: int
    event: str


class Folder:
    """Decides which lines are written, and counts the others.

    Each of these has an allowance that is used up by a burst and grows again slowly: the very same line, a kind of
    lines, and all together. Memory is bounded too.

    Args:
        clock: Returns the seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = _Allowances(10, 0.1)
        self._kinds = _Allowances(1_000, 1)
        self._total = _Allowance(10_000, 10, clock())
        self._folded: dict[Kind, int] = {}
        self._since = clock()

    def admits(self, kind: Kind, line: str) -> bool:
        """Return whether the line is to be written; if not, it is counted."""
        now = self._clock()
        needed = (self._lines.of(hash((kind, line)), now), self._kinds.of(kind, now), self._total)
        if all(each.refill(now) for each in needed):
            for each in needed:
                each.take()
            return True
        if len(self._folded) >= REMEMBERED and kind not in self._folded:
            kind = Kind("", kind.level, "others")
        self._folded[kind] = self._folded.get(kind, 0) + 1
        return False

    def report(self, *, at_once: bool = False) -> Iterator[tuple[Kind, int]]:
        """Yield each kind with its number of folded lines, if it is time for that or is to be ``at_once``."""
        now = self._clock()
        if self._folded and (at_once or now - self._since >= REPORT_SECONDS):
            folded, self._folded, self._since = self._folded, {}, now
            yield from folded.items()
        elif not self._folded:
            self._since = now


class FoldingHandler(logging.StreamHandler[TextIO]):
    """A handler that leaves out repeated lines, and tells how many they were. Lines for debugging are all written.

    Args:
        stream: The output.
        folder: Decides.
    """

    def __init__(self, stream: TextIO, folder: Folder | None = None) -> None:
        super().__init__(stream)
        self._folder = folder or Folder()
        # Its own entries don't come by way of the root, which may have let go of this handler already.
        own = logging.getLogger(__name__)
        own.handlers, own.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, unless it is folded."""
        kind, line = _describe(record)
        if record.levelno <= logging.DEBUG or kind.event == FOLDED or self._folder.admits(kind, line):
            super().emit(record)
        if kind.event != FOLDED:
            self._tell(at_once=False)

    def close(self) -> None:
        """Tell what is still untold."""
        self.acquire()
        try:
            self._tell(at_once=True)
        finally:
            self.release()
        super().close()

    def _tell(self, *, at_once: bool) -> None:
        for kind, count in self._folder.report(at_once=at_once):
            _log.log(kind.level, FOLDED, of=kind.event, source=kind.logger, count=count)


def _describe(record: logging.LogRecord) -> tuple[Kind, str]:
    """Return the record's kind and its content, without the time."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(record.msg, dict):
        fields = {name: value for name, value in record.msg.items() if name != "timestamp"}
        return Kind(record.name, record.levelno, str(fields.get("event"))), repr(fields)
    text = record.getMessage()
    masked = re.sub(r"\d+", "#", text[:KIND_LENGTH].partition("\n")[0])
    return Kind(record.name, record.levelno, masked), f"{text} {error!r}"
