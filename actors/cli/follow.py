"""Follows the event history as it grows."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfiles import watch


def follow_history(path: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield the events in the history file, the existing and the new ones, until the time is up.

    Args:
        path: The file; it need not exist yet.
        seconds: The time to follow it.
    """
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    offset = 0
    try:
        offset, events = _read(path, offset)
        yield from events
        for _ in watch(path.parent, recursive=False, stop_event=stop, debounce=50, step=20):
            offset, events = _read(path, offset)
            yield from events
    finally:
        timer.cancel()


def _read(path: Path, offset: int) -> tuple[int, list[dict[str, Any]]]:
    """Return the offset after the last complete line, and the events on the complete lines before it."""
    if not path.exists():
        return offset, []
    with path.open("rb") as file:
        file.seek(offset)
        whole, newline, _ = file.read().rpartition(b"\n")
    return offset + len(whole) + len(newline), [json.loads(line) for line in whole.splitlines()]
