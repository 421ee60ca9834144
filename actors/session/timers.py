"""What a session tells itself later."""

from actors.protocol.base import Model
from actors.session.drive import OfProcess


class RetryTurn(OfProcess):
    """Go on with the turn that the API has failed."""

    message_id: str


class SilenceDue(OfProcess):
    """See whether the program has said anything."""


class Respawn(OfProcess):
    """Start the program again after a crash."""


class ReceiptDue(Model):
    """See whether a receipt is overdue."""


class TakeIn(Model):
    """Try once more to take in the contexts that wait for the disk."""


ToItself = RetryTurn | SilenceDue | Respawn | ReceiptDue | TakeIn
