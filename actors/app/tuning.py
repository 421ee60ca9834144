"""How Python itself is set up for many threads that wait for each other: in the coordinator's own process only."""

import gc
import sys

SWITCH_INTERVAL = 0.0005
"""Seconds; at Python's 5 ms one busy thread would make every event wait that long."""
YOUNG_OBJECTS = 20_000
"""New objects between two collections of the youngest; at Python's 700 each flood of events begins many."""


def share_fairly() -> None:
    """Let no thread keep the others waiting."""
    sys.setswitchinterval(SWITCH_INTERVAL)


def settle() -> None:
    """Take what is there once all is started (libraries, the open graph) out of the garbage collector's rounds.

    It lives as long as the process, and looking through it takes tens of milliseconds in which nothing moves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
