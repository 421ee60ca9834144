"""The command that starts the stand-in."""

import sys
from pathlib import Path


def command() -> list[str]:
    """Return the program and its first arguments; claude's follow.

    It is started by its path, isolated, since it needs only the standard library. So it begins in about 50 ms, whatever
    the coordinator's own packages import.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).parent)]
