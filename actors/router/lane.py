"""The lane of an agent: its waiting and outstanding deliveries, and its subtask in hand."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.protocol.deliveries import FINAL, ORDER, Delivery, DeliveryState, DeliveryStep
from actors.protocol.names import SessionAddress
from actors.protocol.sessions import SessionState
from actors.router.courtesy import Courtesy

Fetch = Callable[[int, int], list[tuple[int, Delivery]]]
"""``(after, limit)``: the deliveries that wait in the journal after this number, in order."""


class Window:
    """The head of a queue that lies in the journal; at most ``size`` deliveries are in memory.

    What must hold: the deliveries in memory are the oldest that wait, without gaps. So a new one is added only if none
    waits in the journal alone, and after that the head is exhausted before the journal is read again.

    Args:
        size: The capacity.
        fetch: Reads on in the journal.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        self._size = size
        self._fetch = fetch
        self._head: deque[tuple[int, Delivery]] = deque()
        self._last = 0
        self._more = True  # until a read of the journal says otherwise

    def offer(self, number: int, delivery: Delivery) -> None:
        """Add one that was just journaled; beyond the capacity it is read from the journal later."""
        if not self._more and len(self._head) < self._size:
            self._head.append((number, delivery))
            self._last = number
        else:
            self._more = True

    def head(self) -> Delivery | None:
        """Return the oldest delivery, or None if none waits."""
        if not self._head and self._more:
            self._head.extend(self._fetch(self._last, self._size))
            self._more = len(self._head) == self._size
            self._last = self._head[-1][0] if self._head else self._last
        return self._head[0][1] if self._head else None

    def pop(self) -> None:
        """Remove the oldest delivery."""
        self._head.popleft()

    def drop(self, delivery_id: str) -> None:
        """Remove a delivery, wherever it is."""
        self._head = deque(each for each in self._head if each[1].id != delivery_id)

    def in_memory(self) -> list[Delivery]:
        """Return the deliveries in memory, oldest first."""
        return [delivery for _, delivery in self._head]


QUEUED = DeliveryState.QUEUED  # looked up for each step: an enum's lookup is slow
BUSY = frozenset({
    SessionState.WORKING, SessionState.RATE_LIMITED, SessionState.AWAITING_PERMISSION, SessionState.AWAITING_INPUT,
})  # fmt: skip
"""The states of a session that has a turn, or work in the background."""
MOST_DOCUMENTS = 8
"""Documents on their way to a session at a time, which bounds the memory that they take."""
USABLE = frozenset(SessionState) - {SessionState.BLOCKED, SessionState.STOPPED}


@dataclass(slots=True)
class Lane:
    """The state of an agent.

    Attributes:
        session_id: The id of its conversation.
        assignments: The waiting assignments, which are sent when the agent is idle.
        words: The other waiting deliveries, which are sent at once.
        began_at: The time at which its conversation began, in seconds since the epoch; 0.0: before that was recorded.
        state: The state of its session.
        outstanding: The deliveries that its session was given and hasn't finished, by id, in order, as they were when
            they were handed over.
        reached: The state and the attempts that those have reached since.
        in_hand: The id of the subtask that it works on, or worked on last.
        is_reminded: True if this router has reminded it since its last turn. A reminder by an earlier router doesn't
            count: the agent may have had no gateway to report to.
        reminders: The number of unanswered reminders of the subtask in hand.
        in_background: True while it works between turns only.
        is_at_rest: True where its session is blocked, and isn't called so, since nothing is left for it.
        is_up: True once a session's actor has reported that it is ready.
        session: The address of its session.
        courtesy: Its account of messages to and from other agents.
        ahead: The words that were sent to it while a new subtask waited and could have been sent.
        large: The ids of outstanding deliveries with a document that the session has not written yet.
    """

    agent: str
    session_id: str
    assignments: Window
    words: Window
    began_at: float = 0.0
    state: SessionState = SessionState.STOPPED
    in_hand: str | None = None
    is_reminded: bool = False
    reminders: int = 0
    in_background: bool = False
    is_at_rest: bool = False
    is_up: bool = False
    session: SessionAddress = field(init=False)
    outstanding: dict[str, Delivery] = field(default_factory=dict)
    reached: dict[str, tuple[DeliveryState, int]] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    courtesy: Courtesy = field(default_factory=Courtesy)
    ahead: int = 0

    def __post_init__(self) -> None:
        self.session = SessionAddress(self.agent)

    @property
    def has_capacity_for_documents(self) -> bool:
        """True while one more document may be on its way to the session."""
        return len(self.large) < MOST_DOCUMENTS

    def advance(self, delivery: Delivery, step: DeliveryStep) -> bool:
        """Apply a step of an outstanding delivery; return False if it has come that far already.

        The one step back is to ``QUEUED``: the session has found out that the delivery hasn't arrived after all.
        """
        state, attempts = self.reached.get(delivery.id, (delivery.state, delivery.attempts))
        if step.state is QUEUED:
            self.reached[delivery.id] = QUEUED, step.attempts or attempts
            return state is not QUEUED
        if ORDER[step.state] <= ORDER[state]:
            return False
        self.large.discard(delivery.id)
        if step.state in FINAL:
            del self.outstanding[delivery.id]
            self.reached.pop(delivery.id, None)
        else:
            self.reached[delivery.id] = step.state, step.attempts or attempts
        return True

    @property
    def unread(self) -> int:
        """The number of outstanding deliveries that Claude has not read yet."""
        return sum(ORDER[each.state] < ORDER[DeliveryState.STARTED] for each in self.under_way())

    def under_way(self) -> list[Delivery]:
        """Return the outstanding deliveries, with their present states and attempts."""
        return [self._now(delivery) for delivery in self.outstanding.values()]

    def _now(self, delivery: Delivery) -> Delivery:
        if delivery.id not in self.reached:
            return delivery
        state, attempts = self.reached[delivery.id]
        return delivery.model_copy(update={"state": state, "attempts": attempts})

    @property
    def is_busy(self) -> bool:
        """True while the agent works, maybe on nothing that is outstanding: in the background, for one."""
        return self.state in BUSY

    @property
    def is_usable(self) -> bool:
        """True if its session accepts deliveries."""
        return self.is_up and self.state in USABLE
