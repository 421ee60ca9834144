"""A check of the directories above a private one: whoever may write to one of them may put another in its place."""

import errno
import grp
import os
import pwd
import stat
from pathlib import Path

MOST_LINKS = 40
"""The most symlinks on a path, as the system allows."""
_GROUP_WRITES, _OTHERS_WRITE = 0o020, 0o002


def find_intruder(path: Path) -> tuple[Path, str] | None:
    """Return the first directory above the path that somebody else may change, and why; None if there is none.

    Each component is looked at, of the symlinks on the way too. In a sticky directory such as ``/tmp`` others can't
    rename or remove what is ours. Directories that don't exist are left out.

    Args:
        path: An absolute path.

    Raises:
        OSError: A component can't be looked at, or there are too many symlinks.
    """
    waiting, links = [path], 0
    while waiting:
        each = waiting.pop()
        for above in reversed(each.parents):
            try:
                found = above.lstat()
            except FileNotFoundError:
                break
            if (why := _why(found)) is not None:
                return above, why
            if stat.S_ISLNK(found.st_mode):
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                waiting.append(above.parent / above.readlink() / each.relative_to(above))
                break
    return None


def _why(found: os.stat_result) -> str | None:
    """Return the reason why somebody else may change what is in a directory, or where a symlink leads."""
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {found.st_uid}, not to you ({os.geteuid()})"
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode) or mode & stat.S_ISVTX:
        return None
    is_open = mode & _OTHERS_WRITE or (mode & _GROUP_WRITES and not _is_ours_alone(found.st_gid))
    return f"others may write to it (mode {mode:04o})" if is_open else None


def _is_ours_alone(group: int) -> bool:
    """Return whether a group is this user's private one, as many systems give each user one of the same name."""
    try:
        us, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return us.pw_gid == group and found.gr_name == us.pw_name and not {*found.gr_mem} - {us.pw_name}
