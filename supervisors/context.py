"""The information that an actor gets about itself when it is created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.handle import Handle
    from supervisors.protocols import AddressBook, Incarnation

__all__ = ["ActorContext"]


@dataclass(frozen=True, slots=True)
class ActorContext:
    """An actor's identity, and its access to the system.

    Attributes:
        name: Its name.
        incarnation: 1 for the first, 2 after the first restart, and so on.
        system: The system that it lives in; `system.handle(name)` returns the address of another actor.
        handle: Its own address.
        life: Its incarnation, for the base classes only.
    """

    name: str
    incarnation: int
    system: AddressBook
    handle: Handle
    life: Incarnation = field(repr=False)
