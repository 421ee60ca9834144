"""Interfaces that lower classes use in place of the classes above them.

A `System` creates a `Life`, which creates an `ActorContext`, which gives both of them to the actor. If the lower
classes named the upper ones, the modules would import each other in a circle. So they name these protocols.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisors.handle import Handle
    from supervisors.mailbox import Mailbox
    from supervisors.reader import Reader
    from supervisors.reports import DeadLetter, ExitReport
    from supervisors.timers import Timer, Timers

__all__ = ["AddressBook", "Host", "Incarnation"]


class AddressBook(Protocol):
    """A system as its actors see it: it finds the address of a name."""

    def handle(self, name: str) -> Handle:
        """Return the address of a name; the actor need not exist yet."""


class Host(AddressBook, Protocol):
    """A system as its `Life`s see it.

    Attributes:
        timers: The timers of all actors.
        clock: Returns the seconds by which lifetimes are measured.
    """

    timers: Timers
    clock: Callable[[], float]

    def dead_letter(self, letter: DeadLetter) -> None:
        """Record a message that is not redelivered any more."""

    def ended(self, report: ExitReport) -> None:
        """Record the end of an incarnation."""


class Incarnation(Protocol):
    """A `Life` as its own actor and its children see it.

    Attributes:
        reader: Takes its messages out of the mailbox.
        lineage: Its mailbox, then those of the supervisors above it, the nearest first.
    """

    reader: Reader
    lineage: tuple[Mailbox, ...]

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call `call` in `seconds`, unless the incarnation ends before; see `Timers.after`."""
