"""The limits on what agents tell each other: without them, two agents may answer each other for ever."""

import math
from collections import deque
from dataclasses import dataclass, field

MESSAGES = 30
"""The most messages and pieces of knowledge that an agent may send in `WINDOW`."""
WINDOW = 60.0
"""Seconds."""
HOPS = 12
"""The most messages in a row that agents may send because of each other's messages."""
CHAIN_SECONDS = 600.0
"""Seconds after which a message is no longer taken for the answer to one before."""


@dataclass(slots=True)
class Courtesy:
    """An agent's account of messages. It isn't journaled: after a restart the limits begin anew.

    Attributes:
        hops: The number of messages in a row that led to what the agent was told; 0 after a new subtask or a person's
            message.
    """

    hops: int = 0
    _heard_at: float = -math.inf
    _sent: deque[float] = field(default_factory=lambda: deque(maxlen=MESSAGES))

    def too_many(self, now: float) -> str | None:
        """Return the refusal where the agent has sent as much as it may for now, or None."""
        if len(self._sent) < MESSAGES or (seconds := self._sent[0] + WINDOW - now) <= 0:
            return None
        return (
            f"Not sent: you have sent {MESSAGES} messages within {WINDOW:.0f} s, which is the limit."
            f" Wait {math.ceil(seconds)} s, and say what is left in one message."
        )

    def too_far(self, now: float) -> str | None:
        """Return the refusal where the agents have answered each other often enough, or None."""
        if self._reached(now) < HOPS:
            return None
        return (
            f"Not sent: {HOPS} messages between agents have led to each other, which is the limit until you get a"
            " new subtask or a person's message. Go on with an assumption that you state, or call report_blocked with"
            " the question, so that a person decides."
        )

    def spoke(self, now: float) -> int:
        """Count a message that the agent sends; return the number of messages in a row that it ends."""
        self._sent.append(now)
        return self._reached(now) + 1

    def heard(self, hops: int, now: float) -> None:
        """Note a message from another agent that ends so many in a row."""
        self.hops, self._heard_at = max(hops, self._reached(now)), now

    def begin_anew(self) -> None:
        """Note that the agent has got something to do that isn't from another agent's message."""
        self.hops = 0

    def _reached(self, now: float) -> int:
        return self.hops if now - self._heard_at < CHAIN_SECONDS else 0
