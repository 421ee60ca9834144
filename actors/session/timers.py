"""Timer messages that a session sends to itself."""

from actors.protocol.base import Model
from actors.session.drive import OfProcess


class RetryTurn(OfProcess):
    """Continue the turn that the API has failed."""

    message_id: str


class SilenceDue(OfProcess):
    """Check whether the program has been silent for too long."""


class Respawn(OfProcess):
    """Start the program again after a crash."""


class ReceiptDue(Model):
    """Check whether a receipt is overdue."""


class TakeIn(Model):
    """Take in the deliveries that wait for the disk."""


class WakeDue(OfProcess):
    """Give up waiting for the turn that follows the end of background work."""


ToItself = RetryTurn | SilenceDue | Respawn | ReceiptDue | TakeIn | WakeDue
