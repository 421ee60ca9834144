"""The asker's side of an ask, and the check that no actor waits for itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from supervisors._pykka import ask_envelope
from supervisors.answer import PendingAnswer
from supervisors.errors import WouldDeadlock

if TYPE_CHECKING:
    from supervisors.mailbox import Mailbox

__all__ = ["ask", "enter", "lineage"]


class _Here(threading.local):
    lineage: tuple[Mailbox, ...] = ()


_here = _Here()


def enter(lineage: tuple[Mailbox, ...]) -> None:
    """Make this thread an actor's: its mailbox first, then those of the supervisors above it."""
    _here.lineage = lineage


def lineage() -> tuple[Mailbox, ...]:
    """Return the mailboxes that `enter` set for this thread; empty outside an actor's thread."""
    return _here.lineage


def ask(mailbox: Mailbox, message: object, timeout: float) -> Any:  # noqa: ANN401  # answers are the actor's own
    """Put a message into a mailbox and wait for its answer; see `Handle.ask`."""
    if mailbox in _here.lineage:  # a supervisor may be waiting for the very actor that asks
        raise WouldDeadlock(mailbox.name)
    reply = PendingAnswer()
    mailbox.put_ask(ask_envelope(message, reply))
    return reply.get(mailbox.name, timeout)
