"""Marks by which a process tells which session, and which work directory, it belongs to.

Each process that is started for a session carries them twice, and all its descendants inherit both:

* in its environment, as two variables;
* as a number, in the soft value of a resource limit. It survives what empties an environment (``env -i``, ``sudo -i``),
  and it can be read while a process is being replaced by exec or is dying, when its environment reads as empty.

The limit is ``RLIMIT_RTTIME``. It concerns only processes of a real-time scheduling class, and the numbers are so large
that it never bites there either.
"""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from actors.lib.errors import may_pass

MARK = "COORDINATOR_SESSION"
"""The environment variable that marks every process of a session with the conversation's id."""
WORK_DIR_MARK = "COORDINATOR_WORK_DIR"
"""The one that marks the processes of all sessions of a work directory, even of those that its journal has lost."""

_NUMBERED = 1 << 62
"""The highest bit of each of our numbers; nobody else sets a limit of more than a hundred thousand years."""
_SESSION_BITS = 38
_WORK_DIR_BITS = 24


class Marks(NamedTuple):
    """The marks of a process, as digests; 0 stands for one that it doesn't have."""

    work_dir: int = 0
    session: int = 0


def work_dir_mark(path: Path) -> dict[str, str]:
    """Return the environment variable that marks a work directory's sessions; its value depends on the path alone."""
    return {WORK_DIR_MARK: sha256(os.fsencode(path.resolve())).hexdigest()[:32]}


def marks_in(environment: Mapping[str, str]) -> Marks:
    """Return the marks that an environment carries."""
    return Marks(
        _digest(environment.get(WORK_DIR_MARK), _WORK_DIR_BITS),
        _digest(environment.get(MARK), _SESSION_BITS),
    )


def read_marks(pid: int) -> Marks | None:
    """Return a process's marks, or None if they can't be told: it is being replaced, is ending, or has no environment.

    The number comes first, as it is the cheaper and the surer one.

    Raises:
        OSError: They can't be read now, for want of something that the machine may have again.
    """
    try:
        return _numbered(pid) or _named(pid)
    except OSError as error:
        if may_pass(error):
            raise  # it may have the mark, so the caller must not go on as if there were none
        return Marks()  # gone, or somebody else's


@contextmanager
def numbered(environment: Mapping[str, str]) -> Iterator[None]:
    """Give the number of these marks to all processes that this one starts within the block.

    It is set here and inherited, not set on the child, since the child may have children of its own by then.
    """
    marks = marks_in(environment)
    soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    number = _NUMBERED | marks.work_dir << _SESSION_BITS | marks.session
    with suppress(OSError, ValueError):  # a hard limit below the number: the environment has to do
        resource.setrlimit(resource.RLIMIT_RTTIME, (number, hard))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_RTTIME, (soft, hard))


def _digest(value: str | None, bits: int) -> int:
    if not value:
        return 0
    return int.from_bytes(sha256(os.fsencode(value)).digest()[:8], "big") >> (64 - bits)


def _numbered(pid: int) -> Marks | None:
    soft, _ = resource.prlimit(pid, resource.RLIMIT_RTTIME)
    if soft >> 62 != 1:
        return None
    return Marks(soft >> _SESSION_BITS & (1 << _WORK_DIR_BITS) - 1, soft & (1 << _SESSION_BITS) - 1)


def _named(pid: int) -> Marks | None:
    block = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes())
    if not block:
        return None
    entries = (entry.partition("=") for entry in block.split("\0"))
    return marks_in({name: value for name, _, value in entries if name in (MARK, WORK_DIR_MARK)})
