"""Interfaces of the classes that stand above those that use them.

A `System` makes a `Life`, which makes an `ActorContext`, which gives both of them to the actor. If the lower ones
named the classes of the upper ones, the modules would import each other in a circle; so they name what they use.
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
    """A system as its actors see it: names, and how to reach them."""

    def handle(self, name: str) -> Handle:
        """Return the address of a name; the actor need not exist yet."""


class Host(AddressBook, Protocol):
    """A system as the lives in it see it.

    Attributes:
        timers: The timers of all actors.
        clock: Tells the seconds by which lifetimes are measured.
    """

    timers: Timers
    clock: Callable[[], float]

    def dead_letter(self, letter: DeadLetter) -> None:
        """Take note of a message that is not handed out any more."""

    def ended(self, report: ExitReport) -> None:
        """Take note of the end of an incarnation."""


class Incarnation(Protocol):
    """A `Life` as its own actor and its children see it.

    Attributes:
        reader: How it takes messages.
        lineage: Its mailbox, then those of the supervisors above it, the nearest first.
    """

    reader: Reader
    lineage: tuple[Mailbox, ...]

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something later, unless the incarnation ends before; see `Timers.after`."""
