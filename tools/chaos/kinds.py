"""The kinds of kills and of other mishaps, and how often each is chosen."""

from typing import NamedTuple


class Kill(NamedTuple):
    """One kill.

    Attributes:
        at: Its time, in seconds since the epoch.
        kind: The kind of part and of kill.
        target: The name of the part, if there are several of that kind.
    """

    at: float
    kind: str
    target: str = ""


FROZEN = "agent, SIGSTOP and SIGKILL"
THEFT = "backend, with a thief on its port"
HOOKS, PROGRAM, PROJECT, DESCRIPTORS = "hooks refuse", "program gone", "project gone", "descriptors short"
LASTING = (HOOKS, PROGRAM, PROJECT, DESCRIPTORS)
NEEDED_TO_START = (PROGRAM, PROJECT)
"""Requirements without which the coordinator refuses to start: a user error."""
CLEANED_ALIVE, CLEANED_DEAD = "transcript, claude alive", "transcript, claude dead"
SCRIPTED_ODDS = {
    "coordinator, SIGKILL": 7,
    "coordinator, SIGTERM": 2,
    "coordinator, gives up": 1,
    "agent, SIGKILL": 14,
    "agent, group": 7,
    "agent, SIGTERM": 5,
    FROZEN: 5,
    "backend": 4,
    THEFT: 3,
    "actor": 22,
    "network, cut": 6,
    "network, cut in a message": 5,
    "network, half-open": 3,
    "network, delay": 4,
    HOOKS: 2,
    PROGRAM: 2,
    PROJECT: 2,
    DESCRIPTORS: 2,
    CLEANED_ALIVE: 2,
    CLEANED_DEAD: 2,
}
"""Percentage of each kind of kill."""
OF_THE_STAND_IN = (CLEANED_ALIVE, CLEANED_DEAD)
"""The kinds that only the stand-in takes part in."""
