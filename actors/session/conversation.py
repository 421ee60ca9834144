"""What is said in a session: what Claude is to be told, what has arrived, and when all of it is done.

A plain class without clock, process or actor: it is told what happens, and asked what to write and what to report.
Nothing is written a second time before the transcript was asked.
"""

from typing import assert_never
from uuid import uuid4

from actors.lib.failpoints import failpoint
from actors.protocol.deliveries import Delivery, DeliveryState, DeliveryStep
from actors.session.drive import MessageMoved, Past, ReceiptState, TurnOver
from actors.session.receipts import InFlight, Receipts, was_retried

GO_ON = (
    "[coordinator] The API had failed and is asked again. Go on where you left off; what was sent to you before is"
    " above, and isn't sent again."
)
CONTINUE = (
    "[coordinator] Your process was interrupted and is running again, in the same conversation. Go on where you"
    " left off; what was sent to you before is above, and isn't sent again. A tool that you were using just then may"
    " not have done its work: where it matters, look, or use it again."
)


class Conversation:
    """The messages to one agent's claude, those of the router and our own, over all its processes.

    Args:
        receipt_seconds: How long Claude may take to acknowledge a context.
        max_attempts: Attempts before a delivery is dead.
    """

    def __init__(self, *, receipt_seconds: float, max_attempts: int) -> None:
        self._max_attempts = max_attempts
        self._receipts = Receipts(receipt_seconds)
        self._steps: list[DeliveryStep] = []
        self._is_open = False
        self._history = Past()
        self._reset()

    def _reset(self) -> None:
        """Forget what held for one process only."""
        self._outbox: list[tuple[str, str]] = []
        self._own: set[str] = set()
        self._held: str | None = None
        self._has_turn = False
        self._recovered: dict[str, None] = {}
        self._turn: TurnOver | None = None
        self._denied: tuple[str, ...] = ()

    # ------------------------------------------------------------ a process comes and goes

    def begin(self, history: Past) -> None:
        """A process is there: it is to have all that isn't over.

        Args:
            history: What the transcript says before anything is written.
        """
        self._is_open, self._history = True, history
        for item in self._receipts.all():
            self._hand_over(item)
        self._continue_turn()

    def end(self) -> None:
        """The process is gone, and with it all that it hadn't taken."""
        self._is_open = False
        self._reset()

    # ------------------------------------------------------------ what Claude is to be told

    def doubts(self, delivery: Delivery) -> bool:
        """Whether it was a dead letter that claude may have read all the same: ask the transcript (``learn``)."""
        return self._is_open and was_retried(delivery)

    def learn(self, history: Past) -> None:
        """What the transcript says now."""
        self._history = history

    def deliver(self, delivery: Delivery) -> bool:
        """Take a context in; False if it is here already, or was, and is completed."""
        item = self._receipts.add(delivery)
        if item is not None and self._is_open:
            self._hand_over(item)
            if self._recovered and not self._has_turn:
                self._end_recovered()
        return item is not None

    def go_on(self) -> None:
        """Have the model go on with a turn that failed, now: its messages are in the history."""
        self._held = None
        self._say(str(uuid4()), GO_ON)

    def retry(self, message_id: str) -> None:
        """Go on with a turn that was held, unless something else has made it go on meanwhile."""
        if message_id == self._held:
            self._held = None
            self._say(message_id, GO_ON)

    def _say(self, message_id: str, text: str) -> None:
        self._own.add(message_id)
        self._outbox.append((message_id, text))

    def _hand_over(self, item: InFlight) -> None:
        """Have it written, unless the transcript says that it has arrived."""
        delivery = item.delivery
        if delivery.id in self._history.arrived:
            self._step(delivery.id, DeliveryState.STARTED, receipt="transcript")
            self._recovered[delivery.id] = None
            return
        item.attempts += 1
        item.state, item.written_at = DeliveryState.QUEUED, None  # in this process nothing is known of it yet
        self._outbox.append((delivery.id, delivery.text))

    def _continue_turn(self) -> None:
        """Where contexts had arrived before the process began: end their turn, if it was cut off."""
        if not self._history.is_answered:
            self._say(str(uuid4()), CONTINUE)
        elif self._recovered:
            self._end_recovered()

    def _end_recovered(self) -> None:
        """What had arrived belongs to a turn that is over, and the transcript has its last words."""
        if not self._speaks_itself:
            self._finish_recovered()
            self._turn = TurnOver(text=self._history.last_text)

    # ------------------------------------------------------------ what has arrived

    def written(self, message_id: str, now: float) -> float | None:
        """A message is in Claude's input; when its receipt will be overdue, or None if it owes none."""
        item = self._receipts.get(message_id)
        if item is None:
            return None
        item.written_at = now
        self._step(message_id, DeliveryState.WRITTEN, attempts=item.attempts)
        return self._receipts.due(item)

    def moved(self, fact: MessageMoved) -> None:
        """Claude acknowledges a message; of a turn that the API has failed none is done before that has gone on."""
        if fact.uuid not in self._own:
            _received(fact.state)
            is_held = fact.state.is_final and self.holds_turn
            if is_held:
                self._recovered[fact.uuid] = None
            self._step(fact.uuid, DeliveryState.STARTED if is_held else fact.state, receipt=fact.receipt)
        elif fact.state.is_final:
            self._own.discard(fact.uuid)
            self._finish_recovered()

    def overdue(self, now: float) -> list[InFlight]:
        """What was written and has no receipt in time."""
        return self._receipts.overdue(now)

    def next_due(self) -> float | None:
        """When the next receipt will be overdue, or None if none is owed."""
        return self._receipts.next_due()

    def take_again(self, overdue: list[InFlight], history: Past) -> None:
        """Have these written again, or give them up, unless they have arrived.

        Args:
            overdue: What has no receipt in time.
            history: What the transcript says now.
        """
        self.learn(history)
        for item in overdue:
            if item.tries < self._max_attempts or item.delivery.id in history.arrived:
                self._hand_over(item)
            else:
                reason = f"no receipt from claude after {item.attempts} attempts"
                self._step(item.delivery.id, DeliveryState.DEAD, reason=reason)
        if self._turn is not None:
            self._finish_recovered()

    # ------------------------------------------------------------ how turns go

    def turn_began(self) -> None:
        """The model was asked."""
        self._turn, self._has_turn = None, True

    def turn_over(self, turn: TurnOver) -> None:
        """A turn has ended that the API didn't fail."""
        self._turn, self._has_turn = turn, False
        self._denied += turn.denied
        self._held = None
        self._finish_recovered()

    def hold_turn(self) -> str:
        """The API has failed a turn, and it is to go on later: the id to say so with (``retry``)."""
        self._held, self._has_turn = str(uuid4()), False
        return self._held

    def drop_turn(self) -> None:
        """The API has failed a turn, and no wait will mend it (``go_on`` does, once somebody has)."""
        self._held, self._has_turn = None, False

    def _finish_recovered(self) -> None:
        """What had arrived without a receipt is done when a turn is over that nothing of ours is to follow."""
        if self._speaks_itself:
            return
        for delivery_id in self._recovered:
            self._step(delivery_id, DeliveryState.COMPLETED, receipt="transcript")
        self._recovered.clear()

    @property
    def _speaks_itself(self) -> bool:
        """A message of our own is on its way, or is to follow."""
        return bool(self._own) or self.holds_turn

    # ------------------------------------------------------------ what there is to write and to report

    @property
    def holds_turn(self) -> bool:
        """A turn that the API has failed is to go on later."""
        return self._held is not None

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way, or to follow."""
        return not self._receipts and not self._speaks_itself

    @property
    def awaits_claude(self) -> bool:
        """It is Claude's turn to say something."""
        if self.holds_turn:
            return any(item.delivery.id not in self._recovered for item in self._receipts.all())
        return bool(self._receipts or self._own)

    def take_messages(self) -> list[tuple[str, str]]:
        """What is to be written now: each message's id and text, in order; told once."""
        messages, self._outbox = self._outbox, []
        return messages

    def take_steps(self) -> tuple[DeliveryStep, ...]:
        """How far deliveries have come, in order; told once."""
        steps, self._steps = tuple(self._steps), []
        return steps

    def take_turn(self) -> TurnOver | None:
        """The last turn, with all that was denied since the one before, once nothing is left to do; told once."""
        if self._turn is None or not self.is_idle:
            return None
        turn = self._turn.model_copy(update={"denied": self._denied})
        self._turn, self._denied = None, ()
        return turn

    def _step(
        self,
        delivery_id: str,
        state: DeliveryState,
        *,
        receipt: str | None = None,
        attempts: int | None = None,
        reason: str | None = None,
    ) -> None:
        if self._receipts.move(delivery_id, state):
            step = DeliveryStep(
                delivery_id=delivery_id, state=state, receipt=receipt, attempts=attempts, reason=reason
            )
            self._steps.append(step)


def _received(state: ReceiptState) -> None:
    """Pass the failpoint of a receipt that has come in."""
    match state:
        case DeliveryState.ACCEPTED:
            failpoint("session.receipt.accepted")
        case DeliveryState.STARTED:
            failpoint("session.receipt.started")
        case DeliveryState.COMPLETED:
            failpoint("session.receipt.completed")
        case _:
            assert_never(state)
