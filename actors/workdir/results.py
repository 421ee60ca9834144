"""The result files that agents write: ``task_result_<id>.json``."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

import orjson

from actors.lib.files import UnsafeFileError, open_ours
from actors.lib.lenient_json import Fields, load_json, quoted
from actors.protocol.base import is_node_id
from actors.protocol.reports import Completion, ReportBlocked, ReportCompletion
from actors.workdir.directory import RESULT_PREFIX, RESULT_SUFFIX

MAX_RESULT = 1024 * 1024
"""The longest result file, in bytes."""

WRONG_NAME = (
    f"its name must be {RESULT_PREFIX}<id>{RESULT_SUFFIX}, with the id of the subtask as it was given: letters, digits"
    " and . _ : @ -"
)
_BEING_WRITTEN = (".tmp", ".swp", ".part", "~")
"""In the names of files that programs write before they move them to where they belong."""
_KEPT = 4096
_DONE = ("success", "successful", "succeeded", "completed", "complete", "done", "ok")
_NOT_DONE = ("failed", "failure", "error", "blocked", "cancelled")


class Stamp(NamedTuple):
    """What tells one content of a file from another without reading it."""

    modified_ns: int
    size: int
    inode: int


class ResultFile(NamedTuple):
    """What an agent wrote about a subtask.

    Attributes:
        subtask_id: From the file's name.
        outcome: What came of it, or (a text) why it could not be done.
        stamp: Of the content that was read.
        problems: Fields that were dropped, in plain words.
    """

    subtask_id: str
    outcome: Completion | str
    stamp: Stamp
    problems: tuple[str, ...] = ()

    def report(self) -> ReportCompletion | ReportBlocked:
        """What the router is told of it; the file doesn't say who wrote it."""
        if isinstance(self.outcome, str):
            return ReportBlocked(agent=None, way="file", reason=self.outcome, subtask_id=self.subtask_id)
        return ReportCompletion(agent=None, way="file", completion=self.outcome, subtask_id=self.subtask_id)


class ResultProblem(NamedTuple):
    """A result file that can't be used.

    Attributes:
        reason: Why, in plain words.
        stamp: Of the content that was read; None if it could not be opened.
        head: Its beginning, at most 4096 bytes.
        unfinished: Whether it breaks off, or has an odd name, as it may while it is still being written.
    """

    reason: str
    stamp: Stamp | None = None
    head: bytes = b""
    unfinished: bool = False


def is_meant(name: str) -> bool:
    """Whether a file of this name is meant to be a result, rightly named or not."""
    is_finished = name.endswith(RESULT_SUFFIX) or not any(mark in name for mark in _BEING_WRITTEN)
    return is_finished and name.startswith(RESULT_PREFIX)


def read_result(path: Path) -> ResultFile | ResultProblem | None:
    """Read a result file; None if there is none (any more)."""
    subtask_id = path.name.removeprefix(RESULT_PREFIX).removesuffix(RESULT_SUFFIX)
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
        return _read(fd, subtask_id)
    finally:
        os.close(fd)


def _misnamed(path: Path) -> ResultProblem | None:
    """What to say of a file under a wrong name, which may be one that it is just being written under."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return ResultProblem(WRONG_NAME, _stamp(found), unfinished=True) if stat.S_ISREG(found.st_mode) else None


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def _read(fd: int, subtask_id: str) -> ResultFile | ResultProblem:
    stamp = _stamp(os.fstat(fd))
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
    outcome = _outcome(fields)
    if outcome is None:
        return ResultProblem("; ".join(fields.problems), stamp, raw[:_KEPT])
    return ResultFile(subtask_id, outcome, stamp, tuple(fields.problems))


def _outcome(fields: Fields) -> Completion | str | None:
    """What it says; None, and a problem, if that is not clear. Without a status it is a success."""
    status = fields.text("status")
    summary = fields.text("completion_summary", "summary")
    if status is None or status.strip().lower() in _DONE:
        return Completion(
            summary=summary or "",
            insights=fields.texts("insights_found", "insights") or (),
            files=fields.texts("files_modified", "files") or (),
        )
    if status.strip().lower() in _NOT_DONE:
        return (
            fields.text("reason", "error", "message")
            or summary
            or f"the result says {status.strip().lower()}"
        )
    fields.problem(f"unknown status {quoted(status)}")
    return None


def _breaks_off(raw: bytes) -> bool:
    """Whether more bytes could still make JSON of it."""
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
