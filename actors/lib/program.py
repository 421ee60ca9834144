"""The command that people start this program with."""

import os
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
