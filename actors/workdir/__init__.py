"""The work directory: its files and its lock. The actor that reads and writes it is in `actors.workdir.actor`."""

from actors.lib.files import write_atomically
from actors.workdir.directory import WorkDir, find_workdir, prepare
from actors.workdir.history import last_exported
from actors.workdir.lock import AlreadyRunning, Holder, Lock, find_holder

__all__ = [
    "AlreadyRunning",
    "Holder",
    "Lock",
    "WorkDir",
    "find_holder",
    "find_workdir",
    "last_exported",
    "prepare",
    "write_atomically",
]
