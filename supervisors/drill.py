"""Fault injection: makes a chosen actor fail, to test its supervision. Not part of the package's API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisors.errors import NotRunning
from supervisors.reader import InjectedFault

if TYPE_CHECKING:
    from supervisors.system import System

__all__ = ["crash"]


def crash(system: System, name: str, exception: BaseException) -> None:
    """Make an actor raise `exception` in its own thread, before its next message.

    Raises:
        NotRunning: No such actor lives.
    """
    life = system.find_life(name)
    if life is None:
        raise NotRunning(name)
    life.reader.send(InjectedFault(exception))
