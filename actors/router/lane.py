"""One agent's lane: what waits for it, what is on its way to it, and what it has in hand."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.protocol.deliveries import FINAL, ORDER, Delivery, DeliveryState, DeliveryStep
from actors.protocol.names import SessionAddress
from actors.protocol.sessions import SessionState

Fetch = Callable[[int, int], list[tuple[int, Delivery]]]
"""``(after, limit)``: what waits in the journal behind this number, in order."""


class Window:
    """The head of a queue that lies in the journal; at most ``size`` of it is held in memory.

    Args:
        size: How many.
        fetch: Reads on in the journal.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        self._size = size
        self._fetch = fetch
        self._head: deque[tuple[int, Delivery]] = deque()
        self._last = 0
        self._more = True  # until the journal said otherwise

    def offer(self, number: int, delivery: Delivery) -> None:
        """Take in one that was just journaled; where there is no room it is read again later."""
        if not self._more and len(self._head) < self._size:
            self._head.append((number, delivery))
            self._last = number
        else:
            self._more = True

    def head(self) -> Delivery | None:
        """The oldest, or None if nothing waits."""
        if not self._head and self._more:
            self._head.extend(self._fetch(self._last, self._size))
            self._more = len(self._head) == self._size
            self._last = self._head[-1][0] if self._head else self._last
        return self._head[0][1] if self._head else None

    def pop(self) -> None:
        """Take the oldest away."""
        self._head.popleft()

    def drop(self, delivery_id: str) -> None:
        """Take one away wherever it stands."""
        self._head = deque(each for each in self._head if each[1].id != delivery_id)

    def in_memory(self) -> list[Delivery]:
        """The deliveries in memory, oldest first."""
        return [delivery for _, delivery in self._head]


USABLE = frozenset(SessionState) - {SessionState.BLOCKED, SessionState.STOPPED}


@dataclass(slots=True)
class Lane:
    """One agent.

    Attributes:
        assignments: New subtasks, which wait until the agent is idle.
        words: All else, which goes at once.
        outstanding: What its session was given and hasn't finished, by id, in order, as it was when it was given.
        reached: How far those have come since, and the attempts that it took.
        in_hand: The subtask that it works on, or worked on last.
        is_reminded: This router has reminded it of that; another can't know whether there was anybody to report to.
        reminders: How many reminders came to nothing.
        is_up: A session actor has said that it lives.
        session: The address of its session.
    """

    agent: str
    session_id: str
    assignments: Window
    words: Window
    state: SessionState = SessionState.STOPPED
    in_hand: str | None = None
    is_reminded: bool = False
    reminders: int = 0
    is_up: bool = False
    session: SessionAddress = field(init=False)
    outstanding: dict[str, Delivery] = field(default_factory=dict)
    reached: dict[str, tuple[DeliveryState, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session = SessionAddress(self.agent)

    def advance(self, delivery: Delivery, step: DeliveryStep) -> bool:
        """Take note of a step of an outstanding delivery; False if that is no news."""
        state, attempts = self.reached.get(delivery.id, (delivery.state, delivery.attempts))
        if ORDER[step.state] <= ORDER[state]:
            return False
        if step.state in FINAL:
            del self.outstanding[delivery.id]
            self.reached.pop(delivery.id, None)
        else:
            self.reached[delivery.id] = step.state, step.attempts or attempts
        return True

    def state_of(self, delivery: Delivery) -> DeliveryState:
        """How far an outstanding delivery has come."""
        reached = self.reached.get(delivery.id)
        return delivery.state if reached is None else reached[0]

    def under_way(self) -> list[Delivery]:
        """What is outstanding, as it stands now."""
        return [self._now(delivery) for delivery in self.outstanding.values()]

    def _now(self, delivery: Delivery) -> Delivery:
        if delivery.id not in self.reached:
            return delivery
        state, attempts = self.reached[delivery.id]
        return delivery.model_copy(update={"state": state, "attempts": attempts})

    @property
    def is_usable(self) -> bool:
        """Whether its session takes deliveries."""
        return self.is_up and self.state in USABLE
