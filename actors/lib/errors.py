"""The root of the coordinator's errors, and the classification of passing errors."""

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
"""SQLite's codes for a sound database that can't be read or written now."""
BAD_BLOCKS = frozenset({
    sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS,
})  # fmt: skip
"""The I/O errors that a bad block causes; they don't pass."""


class CoordinatorError(Exception):
    """The base of the coordinator's errors; each layer has subclasses."""


class ConfigurationError(CoordinatorError):
    """A user error: a setting, a directory or a file that can't be used. Nothing was started."""


class NotFound(CoordinatorError):  # noqa: N818 - it says what is the case, not what went wrong
    """An id that matches nothing, or more than one thing."""


def may_pass(error: OSError | sqlite3.Error) -> bool:
    """Return whether waiting may help, since the machine is at fault (a full disk, no descriptors, no processes)."""
    if isinstance(error, OSError):
        return error.errno in PASSING
    code = getattr(
        error, "sqlite_errorcode", 0
    )  # Python's own errors, such as for text that isn't UTF-8, have none
    return code not in BAD_BLOCKS and code & 0xFF in PASSING_IN_SQLITE


def root_cause(error: BaseException) -> BaseException:
    """Return the first of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
