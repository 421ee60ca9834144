"""The work directory: its files, its lock, and the actor that reads and writes it."""

from actors.lib.files import write_atomically
from actors.workdir.actor import WorkdirActor
from actors.workdir.directory import WorkDir, find_workdir, prepare
from actors.workdir.history import last_exported
from actors.workdir.lock import AlreadyRunning, Holder, Lock, find_holder

__all__ = [
    "AlreadyRunning",
    "Holder",
    "Lock",
    "WorkDir",
    "WorkdirActor",
    "find_holder",
    "find_workdir",
    "last_exported",
    "prepare",
    "write_atomically",
]
