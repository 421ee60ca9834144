"""The root of the coordinator's errors; each layer has its own below it."""

import errno

PASSING = frozenset({
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS),  # the disk
    *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),  # descriptors, processes, memory
    errno.ETXTBSY,  # a program that is being replaced
})  # fmt: skip


class CoordinatorError(Exception):
    """Something that the coordinator can name."""


class ConfigurationError(CoordinatorError):
    """A setting, a directory or a file of the user's that can't be used; nothing was started."""


def may_pass(error: OSError) -> bool:
    """Whether it is the machine's fault (no room, no descriptors, no processes), so that waiting may help."""
    return error.errno in PASSING


def root_cause(error: BaseException) -> BaseException:
    """The first of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
