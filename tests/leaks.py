"""Detection of leaks: threads, actors, child processes, file descriptors and logged errors."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pykka

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

OURS = ("pykka", "supervisors", "actors", "backend")
ACTOR_THREADS = ("actor:", "actor-timers")


class ErrorCatcher(logging.Handler):
    """Collects the error records of pykka and of the product."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record if it is one of these."""
        if record.name.split(".")[0] in OURS:
            self.records.append(record)

    def unexpected(self, expected: set[str]) -> list[logging.LogRecord]:
        """Return the records whose event names are not expected."""
        return [record for record in self.records if event_of(record) not in expected]


def event_of(record: logging.LogRecord) -> str:
    """Return the event name of a structlog record, or the message of any other."""
    event: str = getattr(record, "event", None) or record.getMessage()
    return event


def to_stdlib(_logger: WrappedLogger, _method: str, event: EventDict) -> tuple[tuple[str], EventDict]:
    """Pass structlog's last event on to the standard library's logger."""
    name = str(event.pop("event", ""))
    exc_info = event.pop("exc_info", None)
    line = " ".join([name, *(f"{key}={value!r}" for key, value in event.items())])
    extra = {"event": name, "fields": event}
    return (line,), {"exc_info": exc_info, "extra": extra}


@dataclass(frozen=True)
class Snapshot:
    """The resources that exist at one moment; `leaked` finds those added since."""

    threads: frozenset[threading.Thread]
    actors: frozenset[str]
    children: frozenset[int]
    descriptors: frozenset[int]

    @classmethod
    def take(cls) -> Snapshot:
        """Record this process's resources."""
        actors = frozenset(ref.actor_urn for ref in pykka.ActorRegistry.get_all())
        return cls(frozenset(_threads()), actors, frozenset(_children()), frozenset(_descriptors()))

    def leaked(self, seconds: float) -> list[str]:
        """Return the new resources as text. Those that are just ending get `seconds` to do so."""
        deadline = time.monotonic() + seconds
        for thread in _threads():
            if thread not in self.threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        found = self._new()
        if found:
            gc.collect()  # what only waits for the garbage collector is no leak of the test
            found = self._new()
        while found and time.monotonic() < deadline:
            time.sleep(0.01)  # processes and descriptors of others have no event to wait for
            found = self._new()
        return found

    def _new(self) -> list[str]:
        threads = [f"thread {thread.name}" for thread in _threads() if thread not in self.threads]
        refs = pykka.ActorRegistry.get_all()
        actors = [f"actor {ref}" for ref in refs if ref.actor_urn not in self.actors]
        children = [f"child {pid}: {_command(pid)}" for pid in _children() if pid not in self.children]
        opened = {fd: target for fd, target in _descriptors().items() if fd not in self.descriptors}
        return threads + actors + children + [f"descriptor {fd}: {target}" for fd, target in opened.items()]


def _threads() -> list[threading.Thread]:
    """Return the threads that would keep the interpreter from exiting, and those of actors."""
    alive = threading.enumerate()
    return [thread for thread in alive if not thread.daemon or thread.name.startswith(ACTOR_THREADS)]


def _children() -> list[int]:
    """Return the process ids of this process's children. Much cheaper than asking psutil for all processes."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread has just ended
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if "resource_tracker" not in _command(pid)]  # lives as long as the process


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _descriptors() -> dict[int, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208  # names are wanted, and the directory's own goes
        with contextlib.suppress(OSError):
            found[int(fd)] = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115  # the same
    return found
