"""An actor's address: its name, valid before the actor exists and across its incarnations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervisors import asking

if TYPE_CHECKING:
    from supervisors.mailbox import Mailbox

__all__ = ["Handle"]


class Handle:
    """The address of a name. Cheap, safe to share between threads, and never stale."""

    __slots__ = ("_append", "_mailbox")

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._append = mailbox.items.append

    def __repr__(self) -> str:
        return f"<Handle {self.name}>"

    @property
    def name(self) -> str:
        """The name that it addresses."""
        return self._mailbox.name

    @property
    def alive(self) -> bool:
        """True while an incarnation runs. The value may be outdated a moment later."""
        return self._mailbox.alive

    @property
    def waiting(self) -> int:
        """The number of waiting messages, without those that are being handled."""
        return len(self._mailbox.items)

    def tell(self, message: object) -> None:
        """Send a message. Never blocks, never raises; without a living actor, it waits for the next one."""
        self._append(message)
        if self._mailbox.idle:
            self._mailbox.ring()

    def ask(self, message: object, *, timeout: float) -> Any:  # noqa: ANN401  # answers are the actor's own
        """Send a message and wait for its answer.

        Args:
            message: The message.
            timeout: Seconds to wait for the answer.

        Raises:
            AskTimeout: No answer in time. If the message was still waiting, it is withdrawn.
            NotRunning: The actor is stopped for good.
            ActorDied: The actor died while it handled the message, of something harsher than an
                `Exception`.
            WouldDeadlock: Asked from within an actor, which would wait for itself or for a
                supervisor above it.
            Exception: The one that the handler raised.
        """
        return asking.ask(self._mailbox, message, timeout)

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Block until fewer than `limit` messages wait. Lets a thread that reads input keep pace with an actor.

        Args:
            limit: 1 or more.
            timeout: Seconds to wait at most.

        Returns:
            True if there is room, False if the timeout passed.

        Raises:
            ValueError: The limit is below 1, so there would never be room.
        """
        if limit < 1:
            raise ValueError("limit: must be 1 or more")
        return self._mailbox.wait_for_room(limit, timeout)
