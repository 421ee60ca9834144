"""The work directory: a private directory, and the paths in it."""

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from actors.lib.errors import ConfigurationError
from actors.protocol.base import is_agent_name
from actors.protocol.node_ids import file_name, is_node_id
from actors.workdir.ancestors import find_intruder
from actors.workdir.lock import Lock

RESULT_PREFIX, RESULT_SUFFIX = "task_result_", ".json"
_PRIVATE, _OTHERS = 0o700, 0o077
ROOM = 1024 * 1024
"""The bytes that must be free at the start; an empty journal and the embedded backend's database take a third."""
_SUBDIRECTORIES = ("context", "prompts", "results", "sessions")


class DiskFullError(OSError):
    """A disk with too little free space for a start; waiting may help."""

    def __init__(self, path: Path, free: int) -> None:
        super().__init__(
            f"the disk that {path} lies on is full ({free // 1024} KiB are free, {ROOM // 1024} KiB are needed)"
        )


@dataclass(frozen=True, slots=True)
class WorkDir:
    """The paths in a work directory, which ``prepare`` or ``find_workdir`` has checked.

    Attributes:
        path: Its absolute path.

    Example:
        >>> prepare(Path("work")).queue_file("coder").name
        'coder_queue.json'
    """

    path: Path

    @property
    def journal(self) -> Path:
        """The journal, the only source of truth."""
        return self.path / "journal.db"

    @property
    def feed(self) -> Path:
        """The feed's file of facts."""
        return self.path / "feed.db"

    @property
    def context(self) -> Path:
        """The directory of contexts that are too long for a message."""
        return self.path / "context"

    @property
    def prompts(self) -> Path:
        """The directory of prompts that replace the product's own."""
        return self.path / "prompts"

    @property
    def sessions(self) -> Path:
        """The directory of sessions' files."""
        return self.path / "sessions"

    @property
    def history(self) -> Path:
        """The history of events, one JSON object a line."""
        return self.path / "event_history.json"

    @property
    def knowledge(self) -> Path:
        """The shared knowledge of all agents."""
        return self.path / "shared_knowledge.json"

    @property
    def secret(self) -> Path:
        """The secret that the gateway's tokens are derived from."""
        return self.path / "gateway.secret"

    @property
    def operator_header(self) -> Path:
        """The header with the operator's token, for those who call the gateway with curl."""
        return self.path / "operator.header"

    @property
    def backend_token(self) -> Path:
        """The embedded backend's bearer token."""
        return self.path / "backend.token"

    @property
    def backend_door(self) -> Path:
        """The Unix socket by which the coordinator reaches its embedded backend."""
        return self.path / "backend.sock"

    @property
    def lock_file(self) -> Path:
        """The file that names the coordinator that works here."""
        return self.path / "coordinator.lock"

    def queue_file(self, agent: str) -> Path:
        """Return the path of the list of an agent's open deliveries."""
        return self.path / f"{_agent(agent)}_queue.json"

    def current_task_file(self, agent: str) -> Path:
        """Return the path of the description of an agent's subtask in hand."""
        return self.path / f"current_task_{_agent(agent)}.json"

    def pipe(self, agent: str) -> Path:
        """Return the path of the named pipe that an agent's session reads."""
        return self.path / f"agent_session_{_agent(agent)}.pipe"

    @property
    def results(self) -> Path:
        """The directory of the agents' directories of result files."""
        return self.path / "results"

    def result_files(self, agent: str) -> Path:
        """Return the glob pattern of an agent's result files; no other agent may write there."""
        return self.results / _agent(agent) / f"{RESULT_PREFIX}*{RESULT_SUFFIX}"

    def result_file(self, subtask_id: str, agent: str | None = None) -> Path:
        """Return the path where an agent, or else (None) a person or a program, writes a subtask's result.

        Raises:
            ValueError: It isn't a valid id, or not an agent's name.
        """
        if not is_node_id(subtask_id):
            raise ValueError(f"no valid id: {subtask_id!r}")
        directory = self.path if agent is None else self.results / _agent(agent)
        return directory / f"{RESULT_PREFIX}{file_name(subtask_id)}{RESULT_SUFFIX}"

    def check_room(self) -> None:
        """Check that the disk has ``ROOM`` for a start, which would otherwise fail halfway.

        Raises:
            DiskFullError: It doesn't.
        """
        disk = shutil.disk_usage(self.path)
        if disk.total and disk.free < ROOM:  # some file systems report neither; then nothing is known
            raise DiskFullError(self.path, disk.free)

    def lock(self) -> Lock:
        """Make this process the only coordinator here.

        Raises:
            AlreadyRunning: There is another one.
        """
        return Lock(self.lock_file)


def prepare(path: Path) -> WorkDir:
    """Create the work directory if there is none, and check that it is private.

    Raises:
        ConfigurationError: It isn't private, or can't be created; the message has the cause and the remedy.
    """
    path = path.absolute()
    try:
        _check_ancestors(path)
        _make(path)
        _check_private(path, _check_ours(path))
        for name in _SUBDIRECTORIES:
            _make(path / name)
            _check_ours(path / name)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error), "Choose another WORK_DIR.") from error
    return WorkDir(path)


def find_workdir(path: Path) -> WorkDir:
    """Check an existing work directory, for read-only use: nothing is created.

    Raises:
        ConfigurationError: There is none, or it isn't private; the message has the cause and the remedy.
    """
    path = path.absolute()
    try:
        _check_ancestors(path)
        _check_private(path, _check_ours(path))
    except FileNotFoundError:
        raise ConfigurationError(f"There is no directory {path}: no coordinator has run there yet.") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error), "Choose another WORK_DIR.") from error
    return WorkDir(path)


def _make(path: Path) -> None:
    """Create the directory and those above it that are missing, all for us alone."""
    for each in (*reversed(path.parents), path):
        if not each.exists():
            with contextlib.suppress(FileExistsError):  # whatever it is, it is checked next
                each.mkdir(mode=_PRIVATE)


def _check_ancestors(path: Path) -> None:
    if (intruder := find_intruder(path)) is not None:
        above, why = intruder
        remedy = f"Choose another WORK_DIR, or, if you trust what is there: chmod go-w {above}"
        raise _unusable(path, f"{above} above it is not safe: {why}", remedy)


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
