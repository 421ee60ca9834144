"""The specification of a supervisor's child."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisors.policy import Backoff, Restart, is_seconds, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisors.actor import Actor
    from supervisors.context import ActorContext

__all__ = ["ChildSpec"]


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The specification of one child.

    Attributes:
        name: Its name, unique in the whole system; its mailbox and handles belong to the name.
        start: Called as `start(context)`, in the new actor's thread; returns the actor.
        restart: The condition for a restart.
        shutdown: Seconds that it may take to stop; None waits for ever, 0 abandons it at once.
        start_timeout: Seconds that `start` and `on_start` may take together.
        backoff: The delay before a restart.
        significant: True if its end may end its supervisor (see `AutoShutdown`).

    Raises:
        ValueError: With the field's name.
    """

    name: str
    start: Callable[[ActorContext], Actor]
    restart: Restart = Restart.PERMANENT
    shutdown: float | None = 5.0
    start_timeout: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)
    significant: bool = False

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and bool(self.name)
        require(holds=named, name="name", must="a string that is not empty")
        require(holds=callable(self.start), name="start", must="callable")
        require(holds=isinstance(self.restart, Restart), name="restart", must="a Restart")
        in_time = self.shutdown is None or is_seconds(self.shutdown)
        require(holds=in_time, name="shutdown", must="None, or 0 or more seconds")
        ready = is_seconds(self.start_timeout) and self.start_timeout > 0
        require(holds=ready, name="start_timeout", must="above 0 seconds")
        require(holds=isinstance(self.backoff, Backoff), name="backoff", must="a Backoff")
        # A permanent child is always restarted, so its end can never end its supervisor.
        can_end = not self.significant or self.restart is not Restart.PERMANENT
        require(holds=can_end, name="significant", must="False for a permanent child")
