"""What an actor is told about itself when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.handle import Handle
    from supervisors.protocols import AddressBook, Incarnation

__all__ = ["ActorContext"]


@dataclass(frozen=True, slots=True)
class ActorContext:
    """Who an actor is, and where it lives.

    Attributes:
        name: Its name.
        incarnation: 1 for the first, 2 after the first restart, and so on.
        system: The system that it lives in: `system.handle(name)` is how it reaches others.
        handle: Its own address.
        life: Its incarnation, for the base classes only.
    """

    name: str
    incarnation: int
    system: AddressBook
    handle: Handle
    life: Incarnation = field(repr=False)
