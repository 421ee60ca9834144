"""The name that people call this program by."""

import os
import sys
from pathlib import Path

VARIABLE = "COORDINATOR_PROGRAM"
"""Set by a script that runs the program under its own name, such as ``./scripts/run``."""
MODULE = "python -m actors.main"


def program() -> str:
    """Return what a person types to run this program again, for help and for advice.

    Example:
        ``f"Start one first: {program()}"`` says ``./scripts/run`` in a checkout, ``agent-coordinator`` where it
        is installed.
    """
    called = Path(sys.argv[0])
    return os.environ.get(VARIABLE) or (MODULE if called.suffix == ".py" else called.name)
