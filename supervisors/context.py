"""What an actor is told about itself when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.handle import Handle
    from supervisors.life import Life
    from supervisors.system import System

__all__ = ["ActorContext"]


@dataclass(frozen=True, slots=True)
class ActorContext:
    """Who an actor is, and where it lives.

    Attributes:
        name: Its name.
        incarnation: 1 for the first, 2 after the first restart, and so on.
        system: The system that it lives in.
        handle: Its own address.
        life: Its incarnation, for the base classes only.
    """

    name: str
    incarnation: int
    system: System
    handle: Handle
    life: Life = field(repr=False)
