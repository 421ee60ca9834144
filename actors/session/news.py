"""What a session tells itself: from the threads of its process, and from its timers."""

import itertools

from actors.protocol.base import Model
from actors.session.drives.stream.parse import Fact

EPOCHS = itertools.count(1)
"""Numbers the processes of all sessions, so that no incarnation takes the news of another's for its own."""


class FromProcess(Model):
    """From a thread of the process; ``epoch`` says of which, so that stale news is dropped."""

    epoch: int


class StreamRead(FromProcess):
    """What Claude said."""

    facts: tuple[Fact, ...]


class Written(FromProcess):
    """A message that had to wait for room is in the pipe."""

    delivery_id: str


class Exited(FromProcess):
    """The process has ended."""

    code: int
    noise: str


class RetryTurn(FromProcess):
    """To itself: go on with the turn that the API has failed."""

    message_id: str


class SilenceDue(FromProcess):
    """To itself: see whether claude has said anything."""


class ReceiptDue(Model):
    """To itself: see whether a receipt is overdue."""


class Respawn(FromProcess):
    """To itself: start claude again after a crash."""
