"""The work directory: ours alone, and where everything in it lies."""

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from actors.lib.errors import ConfigurationError
from actors.protocol.base import is_agent_name, is_node_id
from actors.workdir.lock import Lock

RESULT_PREFIX, RESULT_SUFFIX = "task_result_", ".json"
_PRIVATE, _OTHERS = 0o700, 0o077
ROOM = 1024 * 1024
"""Bytes that must be free for a start: an empty journal and the embedded backend's database take a third of it."""
_SUBDIRECTORIES = ("context", "prompts", "sessions")


class DiskFullError(OSError):
    """There isn't enough room to begin with; there may be, later."""

    def __init__(self, path: Path, free: int) -> None:
        super().__init__(
            f"the disk that {path} lies on is full ({free // 1024} KiB are free, {ROOM // 1024} KiB are needed)"
        )


@dataclass(frozen=True, slots=True)
class WorkDir:
    """A directory that ``prepare`` or ``find_workdir`` has found good.

    Attributes:
        path: Its absolute path.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """The journal, which is the truth."""
        return self.path / "journal.db"

    @property
    def feed(self) -> Path:
        """What happened lately, for those who show it."""
        return self.path / "feed.db"

    @property
    def context(self) -> Path:
        """Directory of contexts that are too long for a message."""
        return self.path / "context"

    @property
    def prompts(self) -> Path:
        """Directory of prompts that replace the product's own."""
        return self.path / "prompts"

    @property
    def sessions(self) -> Path:
        """Directory of what the sessions need on disk."""
        return self.path / "sessions"

    @property
    def history(self) -> Path:
        """Every event, one JSON object a line."""
        return self.path / "event_history.json"

    @property
    def knowledge(self) -> Path:
        """What all agents should know."""
        return self.path / "shared_knowledge.json"

    @property
    def secret(self) -> Path:
        """What the gateway's tokens are made of."""
        return self.path / "gateway.secret"

    @property
    def backend_token(self) -> Path:
        """The embedded backend's bearer token."""
        return self.path / "backend.token"

    @property
    def lock_file(self) -> Path:
        """Held by the coordinator that works here."""
        return self.path / "coordinator.lock"

    def queue_file(self, agent: str) -> Path:
        """What waits for this agent."""
        return self.path / f"{_agent(agent)}_queue.json"

    def current_task_file(self, agent: str) -> Path:
        """What this agent has in hand."""
        return self.path / f"current_task_{_agent(agent)}.json"

    def pipe(self, agent: str) -> Path:
        """The named pipe that this agent's session reads."""
        return self.path / f"agent_session_{_agent(agent)}.pipe"

    def result_file(self, subtask_id: str) -> Path:
        """Where an agent writes what came of this subtask."""
        if not is_node_id(subtask_id):
            raise ValueError(f"no valid id: {subtask_id!r}")
        return self.path / f"{RESULT_PREFIX}{subtask_id}{RESULT_SUFFIX}"

    @property
    def results(self) -> Path:
        """All result files, as a pattern."""
        return self.path / f"{RESULT_PREFIX}*{RESULT_SUFFIX}"

    def check_room(self) -> None:
        """See that there is room to begin with, rather than to break off in the midst of it.

        Raises:
            DiskFullError: There is not.
        """
        disk = shutil.disk_usage(self.path)
        if (
            disk.total and disk.free < ROOM
        ):  # where nothing is said of the total, the rest means nothing either
            raise DiskFullError(self.path, disk.free)

    def lock(self) -> Lock:
        """Make this process the only coordinator here.

        Raises:
            AlreadyRunning: Another one is.
        """
        return Lock(self.lock_file)


def prepare(path: Path) -> WorkDir:
    """Make the work directory if it isn't there, and make sure that it is ours alone.

    Raises:
        ConfigurationError: It is not, or can't be made; says why, and what to do.
    """
    path = path.absolute()
    try:
        _make(path)
        _check_private(path, _check_ours(path))
        for name in _SUBDIRECTORIES:
            _make(path / name)
            _check_ours(path / name)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error), "Choose another WORK_DIR.") from error
    return WorkDir(path)


def find_workdir(path: Path) -> WorkDir:
    """The work directory as it is, for who only looks: nothing is made.

    Raises:
        ConfigurationError: There is none, or it isn't ours alone; says why, and what to do.
    """
    path = path.absolute()
    try:
        _check_private(path, _check_ours(path))
    except FileNotFoundError:
        raise ConfigurationError(f"There is no directory {path}: no coordinator has run there yet.") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error), "Choose another WORK_DIR.") from error
    return WorkDir(path)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # whatever it is, it is checked next
        path.mkdir(mode=_PRIVATE)


def _check_ours(path: Path) -> os.stat_result:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _unusable(path, "it is a symlink", "Remove it, or set WORK_DIR to where it leads.")
    if not stat.S_ISDIR(found.st_mode):
        raise _unusable(path, "it is not a directory", "Remove it or choose another WORK_DIR.")
    if found.st_uid != os.geteuid():
        owner = f"it belongs to user {found.st_uid}, not to you ({os.geteuid()})"
        raise _unusable(path, owner, "Choose another WORK_DIR.")
    return found


def _check_private(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        why = f"it is open to others (mode {mode:04o})"
        raise _unusable(path, why, f"If nobody has put anything into it: chmod 700 {path}")
    if mode & _PRIVATE != _PRIVATE:
        raise _unusable(path, f"you may not use it yourself (mode {mode:04o})", f"Run: chmod 700 {path}")


def _unusable(path: Path, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"The work directory can't be used: {path}: {why}. {remedy}")


def _agent(agent: str) -> str:
    if not is_agent_name(agent):
        raise ValueError(f"no valid agent name: {agent!r}")
    return agent
