"""Result files, ``task_result_<id>.json``: an agent's word in its own directory, a person's or program's elsewhere."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

import orjson

from actors.lib.files import UnsafeFileError, open_ours
from actors.lib.lenient_json import Fields, load_json
from actors.lib.outcome import Outcome, read_outcome
from actors.protocol.node_ids import from_file_name, is_node_id
from actors.protocol.reports import Completion, ReportBlocked, ReportCompletion
from actors.workdir.directory import RESULT_PREFIX, RESULT_SUFFIX

MAX_RESULT = 1024 * 1024
"""The longest result file, in bytes."""

WRONG_NAME = (
    f"its name must be {RESULT_PREFIX}<id>{RESULT_SUFFIX}, with the id of the subtask as it stands in the message that"
    " gave it"
)
HARD_LINK = "it is a hard link to another file; write a file of its own"
_BEING_WRITTEN = (".tmp", ".swp", ".part", "~")
"""Parts of the names of temporary files, which programs rename when they are complete."""
_KEPT = 4096


class Stamp(NamedTuple):
    """The identity of a file's content, without reading it."""

    modified_ns: int
    size: int
    inode: int


class ResultFile(NamedTuple):
    """A subtask's result, as it was written.

    Attributes:
        subtask_id: The id, from the file's name.
        outcome: The result, or (a text) the reason why the subtask is blocked.
        stamp: The stamp of the content that was read.
        changed_at: The time of the last change of the content, name or mode, in seconds since the epoch. Unlike the
            time of modification, nobody can set it.
        agent: The agent in whose directory it lies; None: in the work directory itself.
        problems: The dropped fields, in plain words.
    """

    subtask_id: str
    outcome: Completion | str
    stamp: Stamp
    changed_at: float
    agent: str | None = None
    problems: tuple[str, ...] = ()

    def report(self) -> ReportCompletion | ReportBlocked:
        """Return the report for the router."""
        if isinstance(self.outcome, str):
            return ReportBlocked(
                agent=self.agent, way="file", subtask_id=self.subtask_id, written_at=self.changed_at,
                reason=self.outcome,
            )  # fmt: skip
        return ReportCompletion(
            agent=self.agent, way="file", subtask_id=self.subtask_id, written_at=self.changed_at,
            completion=self.outcome,
        )  # fmt: skip


class ResultProblem(NamedTuple):
    """A result file that can't be used.

    Attributes:
        reason: The fault, in plain words.
        stamp: The stamp of the content that was read; None if it could not be opened.
        head: Its beginning, at most 4096 bytes.
        unfinished: True if it is incomplete or has a wrong name, as it may while it is being written.
    """

    reason: str
    stamp: Stamp | None = None
    head: bytes = b""
    unfinished: bool = False


def is_meant(name: str) -> bool:
    """Return whether a file of this name is meant to be a result, even if the name is wrong."""
    is_finished = name.endswith(RESULT_SUFFIX) or not any(mark in name for mark in _BEING_WRITTEN)
    return is_finished and name.startswith(RESULT_PREFIX)


def read_result(path: Path, agent: str | None = None) -> ResultFile | ResultProblem | None:
    """Read a result file; return None if there is none (any more).

    Args:
        path: The file.
        agent: The agent in whose directory it lies; None: in the work directory itself.
    """
    subtask_id = from_file_name(path.name.removeprefix(RESULT_PREFIX).removesuffix(RESULT_SUFFIX))
    if not path.name.endswith(RESULT_SUFFIX) or not is_node_id(subtask_id):
        return _misnamed(path)
    try:
        fd = open_ours(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except UnsafeFileError as error:
        return ResultProblem(str(error))
    except OSError as error:
        return ResultProblem(error.strerror or type(error).__name__)
    try:
        return _read(fd, subtask_id, agent)
    finally:
        os.close(fd)


def _misnamed(path: Path) -> ResultProblem | None:
    """Describe a file with a wrong name, which may be a temporary one."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return ResultProblem(WRONG_NAME, _stamp(found), unfinished=True) if stat.S_ISREG(found.st_mode) else None


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def _read(fd: int, subtask_id: str, agent: str | None) -> ResultFile | ResultProblem:
    found = os.fstat(fd)
    stamp = _stamp(found)
    if found.st_nlink > 1:  # perhaps a secret of ours, so nothing of it is shown; or it is being renamed
        return ResultProblem(HARD_LINK, stamp, unfinished=True)
    with open(fd, "rb", closefd=False) as file:
        raw = file.read(MAX_RESULT + 1)
    if len(raw) > MAX_RESULT:
        return ResultProblem(f"longer than {MAX_RESULT} bytes", stamp, raw[:_KEPT])
    try:
        content = load_json(raw)
    except orjson.JSONDecodeError as error:
        return ResultProblem(f"not JSON: {error}", stamp, raw[:_KEPT], unfinished=_breaks_off(raw))
    if not isinstance(content, dict):
        return ResultProblem("not a JSON object", stamp, raw[:_KEPT])
    fields = Fields(content)
    outcome = read_outcome(fields)
    if outcome is None:
        return ResultProblem("; ".join(fields.problems), stamp, raw[:_KEPT])
    return ResultFile(
        subtask_id, _completion_or_reason(outcome), stamp, found.st_ctime, agent, tuple(fields.problems)
    )


def _completion_or_reason(outcome: Outcome) -> Completion | str:
    if outcome.reason is not None:
        return outcome.reason
    return Completion(summary=outcome.summary, insights=outcome.insights, files=outcome.files)


def _breaks_off(raw: bytes) -> bool:
    """Return whether it is incomplete, so that more bytes could make it JSON."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        if error.end < len(raw) or error.reason != "unexpected end of data":
            return False
        raw = raw[: error.start]
    if not raw.strip():
        return True
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return error.pos >= len(error.doc)
    return True
