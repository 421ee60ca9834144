"""Settings of the Python interpreter for many threads that wait for each other, in the coordinator's process only."""

import gc
import sys

SWITCH_INTERVAL = 0.0005
"""Seconds; with Python's 5 ms, each event would wait that long for a busy thread."""
STOPPING_INTERVAL = 0.02
"""Seconds, while everything stops. Each thread that waits for its turn wakes once an interval to ask for it, and now a
thread of each agent does."""
YOUNG_OBJECTS = 20_000
"""New objects between two collections of the youngest generation; Python's 700 cause many during a flood of events."""


def share_fairly() -> None:
    """Make threads take turns more often, so that a busy one doesn't delay the others."""
    sys.setswitchinterval(SWITCH_INTERVAL)


def finish() -> None:
    """Make threads take longer turns: all of them have something to do at once, and nobody waits for an answer."""
    sys.setswitchinterval(STOPPING_INTERVAL)


def settle() -> None:
    """Exclude the objects that exist after the start (libraries, the open graph) from garbage collection.

    They live as long as the process. Each collection of them would stop all threads for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
