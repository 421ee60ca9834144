"""The root of the coordinator's errors; each layer has its own below it."""

import errno
import sqlite3

PASSING = frozenset({
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS),  # the disk
    *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),  # descriptors, processes, memory
    errno.ETXTBSY,  # a program that is being replaced
})  # fmt: skip
PASSING_IN_SQLITE = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR,
})  # fmt: skip
"""Why a sound database can't be read, or written, now."""
BAD_BLOCKS = frozenset({
    sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS,
})  # fmt: skip
"""By these errors of input a bad block tells of itself: they don't pass."""


class CoordinatorError(Exception):
    """Something that the coordinator can name."""


class ConfigurationError(CoordinatorError):
    """A setting, a directory or a file of the user's that can't be used; nothing was started."""


class NotFound(CoordinatorError):  # noqa: N818 - it says what is the case, not what went wrong
    """An id that names nothing, or more than one thing."""


def may_pass(error: OSError | sqlite3.Error) -> bool:
    """Tell whether it is the machine's fault (no room, no descriptors, no processes), so that waiting may help."""
    if isinstance(error, OSError):
        return error.errno in PASSING
    code = getattr(
        error, "sqlite_errorcode", 0
    )  # what Python itself raises has none: a text that is no UTF-8
    return code not in BAD_BLOCKS and code & 0xFF in PASSING_IN_SQLITE


def root_cause(error: BaseException) -> BaseException:
    """The first of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
