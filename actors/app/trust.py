"""Protection against the agents' own folder: what agents may write must not decide what they may do.

Agents edit files in PROJECT_DIR without being asked. So nothing that lies there may raise their rights: no ``.env``
that names the program to run, no work directory with prompts and tokens in it.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from actors.lib.errors import ConfigurationError
from actors.lib.files import ensure_directory, write_atomically

MOST_FOLDERS = 1000
"""Folders of agents that are remembered."""


class Remark(NamedTuple):
    """Something that a person should change, though the start goes on.

    Attributes:
        event: Its name in the log.
        reason: The fault, in plain words.
        next: The remedy.
    """

    event: str
    reason: str
    next: str


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether the path is the folder or lies in it, by its name or where its symlinks lead."""
    real = folder.resolve()
    return any(each.is_relative_to(real) for each in (path.resolve(), path.parent.resolve() / path.name))


def check_env_file(env_file: Path, names: Collection[str], project_dir: Path) -> None:
    """Check that a ``.env`` that agents may have written sets nothing that raises their rights.

    Args:
        env_file: The file.
        names: The settings that it decides on, of those that raise rights.
        project_dir: The folder in which agents are to work. Those in which they worked before count too, since the
            file itself may name another one.

    Raises:
        ConfigurationError: It does; the message names the settings, and the places that may set them.
    """
    folder = next((each for each in (project_dir, *worked_in()) if is_inside(env_file, each)), None)
    if names and folder is not None:
        raise ConfigurationError(
            f"{env_file.absolute()} can't set {', '.join(sorted(names))}: agents that work in {folder} may write that"
            " file, and so give themselves more rights. Set them as environment variables or as options of run,"
            " or move the file to a folder in which no agents work, and start there."
        )


def check_work_dir(work_dir: Path, project_dir: Path) -> None:
    """Check that agents can't write into the work directory.

    Raises:
        ConfigurationError: They can.
    """
    if is_inside(work_dir, project_dir):
        raise ConfigurationError(
            f"WORK_DIR ({work_dir}) lies in PROJECT_DIR ({project_dir}), where agents may write: they could change"
            " prompts, and with them their own rights. Set WORK_DIR to a directory outside, or PROJECT_DIR to the"
            " folder of your project alone."
        )


def find_exposed(project_dir: Path, root: Path, claude: Path) -> Iterator[Remark]:
    """Find programs that run with your rights and that agents may change.

    Args:
        project_dir: The folder in which agents work.
        root: The folder of the product's own packages.
        claude: The program that runs claude.
    """
    if is_inside(root, project_dir) or is_inside(project_dir, root):
        yield Remark(
            "project_holds_coordinator",
            f"agents that work in {project_dir} may change the coordinator's own code and prompts in {root}, which run"
            " with your rights at the next start",
            "set PROJECT_DIR to the folder of your project, or install the coordinator elsewhere",
        )
    if is_inside(claude, project_dir):
        yield Remark(
            "project_holds_claude",
            f"agents that work in {project_dir} may change {claude}, which runs with your rights",
            "set CLAUDE_COMMAND to a claude outside of PROJECT_DIR",
        )


# ------------------------------------------------------------ the folders in which agents worked


def remember(project_dir: Path) -> None:
    """Remember that agents work in this folder.

    Raises:
        OSError: The record can't be written.
    """
    folder, known = str(project_dir.resolve()), [str(each) for each in worked_in()]
    if folder in known or "\n" in folder:
        return
    record = _record()
    record.parent.parent.mkdir(parents=True, exist_ok=True)
    ensure_directory(record.parent)
    write_atomically(record, "\n".join([*known, folder][-MOST_FOLDERS:]).encode(errors="surrogateescape"))


def worked_in() -> list[Path]:
    """Return the folders in which agents of this user have worked, as far as that is recorded."""
    try:
        lines = _record().read_bytes().decode(errors="surrogateescape").split("\n")
    except OSError:
        return []
    return [Path(line) for line in lines if line]


def _record() -> Path:
    """Return the path of the record.

    Raises:
        OSError: This user has no home.
    """
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    except RuntimeError as error:
        raise OSError(str(error)) from error
    return Path(state) / "agent-coordinator" / "project_dirs"
