"""How to start the stand-in."""

import sys
from pathlib import Path


def command() -> list[str]:
    """The program and its first arguments; claude's follow.

    It is started by its path, isolated: it needs nothing but the standard library, and so it begins in some
    50 ms whatever the coordinator's own packages import.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).parent)]
