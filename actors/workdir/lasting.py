"""A look at whether a directory outlasts a reboot."""

import re
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
TMPFILES = tuple(Path(each) for each in ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"))
"""The folders of systemd-tmpfiles' rules; of files with the same name, the first counts."""
IN_MEMORY = ("tmpfs", "ramfs")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def why_it_goes(path: Path, *, mounts: Path = MOUNTS, rules: tuple[Path, ...] = TMPFILES) -> str | None:
    """Return the reason why a directory goes at a reboot; None if it stays, as far as is known.

    Args:
        path: The directory; it need not exist.
        mounts: The list of the mounted file systems.
        rules: The folders of systemd-tmpfiles' rules.
    """
    real = path.resolve()
    if (kind := _file_system(real, mounts)) in IN_MEMORY:
        return f"lies in memory ({kind}), which a reboot empties"
    cleaned = next((each for each in _cleaned(rules) if real.is_relative_to(each)), None)
    return None if cleaned is None else f"lies in {cleaned}, which systemd-tmpfiles cleans"


def _file_system(path: Path, mounts: Path) -> str | None:
    """Return the type of the file system that the path lies on; of several on one another, the last counts."""
    best, found = -1, None
    for line in _lines(mounts):
        fields = line.split()
        where = Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields[1])) if len(fields) > 2 else None  # noqa: PLR2004
        if where is not None and path.is_relative_to(where) and len(where.parts) >= best:
            best, found = len(where.parts), fields[2]
    return found


def _cleaned(folders: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the directories that systemd-tmpfiles empties at boot, or from which it removes what is old."""
    files: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.conf")):
            files.setdefault(file.name, file)
    for file in files.values():
        for line in _lines(file):
            kind, path, *rest = [*line.split(), "", ""]
            if kind.startswith(("D", "R")) or (kind.startswith(("d", "q", "Q", "e")) and _has_age(rest)):
                yield Path(path)


def _has_age(fields: list[str]) -> bool:
    """Return whether the rule, after its path (mode, user, group, age), names an age."""
    return len(fields) > 3 and fields[3] not in ("", "-")  # noqa: PLR2004


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
