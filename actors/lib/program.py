"""The command that people start this program with."""

import os
import shlex
import sys
from pathlib import Path

VARIABLE = "COORDINATOR_PROGRAM"
"""Set by a script that runs the program under its own name, such as ``./scripts/run``."""
MODULE = "python -m actors.main"


def program() -> str:
    """Return the command that starts this program, for help and advice.

    Example:
        ``f"Start one first: {program()}"`` names ``./scripts/run`` in a checkout, and ``agent-coordinator`` in an
        installation.
    """
    called = Path(sys.argv[0])
    return os.environ.get(VARIABLE) or (MODULE if called.suffix == ".py" else called.name)


def repeat_options(*options: str) -> None:
    """Have ``command`` repeat these options, with which this program was called."""
    _repeated[:] = options


def command(name: str, *words: str, options: tuple[str, ...] = ()) -> str:
    """Return a command of this program that can be pasted into a shell.

    Example:
        >>> command("retry", "step 1")
        "./scripts/run retry 'step 1'"
    """
    end = ["--"] if any(word.startswith("-") for word in words) else []
    return f"{program()} {shlex.join([name, *options, *_repeated, *end, *words])}"


_repeated: list[str] = []
"""The options that each command needs in order to mean the same coordinator."""
