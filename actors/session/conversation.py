"""The conversation of one session: messages to write, receipts that came back, and turns that are open.

A plain class without clock, process or actor. The session actor calls it when something happens (``begin``,
``deliver``, ``written``, ``moved``, ``turn_over``, ``end``), and then takes what there is to do: ``take_messages`` (to
write), ``take_steps`` and ``take_turn`` (to report).

Three things must hold, whatever is lost or killed:

1. *Nothing is resent on suspicion.* A message that was written before is written again only when a history read since
   then lacks its id: claude recognises a copy only within one process, and after a restart it may run it again.
2. *Completed means done.* A delivery is completed by its own final receipt or, where the history has it, by the end of
   a turn. While a turn is suspended neither counts; while a message of ours continues it, no other turn's end does.
3. *Idle means nothing left.* A turn is reported only when no delivery, no message of ours and no suspended turn is
   open, and nothing goes on in the background, since the router then hands out the next subtask.

A message that claude is done with, without a sign that the model got it, is *unproven*: the history is read
(``prove``). Where it isn't there, claude has dropped the message and won't take it again in this process
(``dropped``): a hook of the user's has refused it, for one. The next process is given it anew.

A turn that the API has failed goes one of two ways. Where waiting helps it is *suspended* (``suspend_turn``) and later
continued (``retry``); where it doesn't it is *dropped* (``drop_turn``), until a person has it continued (``go_on``).
"""

from typing import TYPE_CHECKING, assert_never
from uuid import uuid4

from actors.lib.failpoints import failpoint
from actors.protocol.deliveries import Delivery, DeliveryState, DeliveryStep
from actors.session.background import Background
from actors.session.drive import BackgroundTask, MessageMoved, Past, ReceiptState, Refused, TurnOver
from actors.session.receipts import InFlight, Receipts, was_retried

if TYPE_CHECKING:
    from actors.protocol.sessions import Refusal

GO_ON = (
    "[coordinator] Your turn was stopped before it was over (the API failed, or a hook stopped it). Go on where you"
    " left off; what was sent to you before is above, and isn't sent again."
)
CONTINUE = (
    "[coordinator] Your process was interrupted and is running again, in the same conversation. Go on where you"
    " left off; what was sent to you before is above, and isn't sent again. A tool that you were using just then may"
    " not have done its work, and what ran in the background has ended: where it matters, look, or start it again."
)
NOT_IN_HISTORY = "the history of the conversation doesn't have it"


class Conversation:
    """The messages to one agent's claude, the router's and our own, across all its processes.

    Example::

        conversation = Conversation(receipt_seconds=10, max_attempts=5)
        conversation.deliver(delivery)
        conversation.begin(drive.start(session_id))
        drive.write(conversation.take_messages())
        conversation.moved(receipt)
        report(conversation.take_steps())

    Args:
        receipt_seconds: How long Claude may take to acknowledge a delivery's first attempt.
        max_attempts: Attempts before a delivery becomes a dead letter.
    """

    def __init__(self, *, receipt_seconds: float, max_attempts: int) -> None:
        self._max_attempts = max_attempts
        self._receipts = Receipts(receipt_seconds)
        self._steps: list[DeliveryStep] = []
        self._is_open = False
        self._history = Past()
        # True where the last process ended between turns, but with work in the background.
        self._was_busy = False
        self._reset()

    def _reset(self) -> None:
        """Forget the state of one process.

        Deliveries that aren't over and steps that aren't reported yet outlive it: they are not part of this.
        """
        # Messages to write, each an id and a text.
        self._outbox: list[tuple[str, str]] = []
        # Ids of our own messages (``GO_ON``, ``CONTINUE``) that aren't over; the router knows nothing of them.
        self._own: set[str] = set()
        # The id that the message will have by which a suspended turn is continued.
        self._suspended: str | None = None
        self._has_turn = False
        # Deliveries that have arrived and whose own final receipt won't come, or came too early: the end of a turn
        # completes them. A dict, to keep their order.
        self._recovered: dict[str, None] = {}
        # The last turn that ended, until it is reported; and the one before a turn that has begun since.
        self._turn: TurnOver | None = None
        self._earlier: TurnOver | None = None
        self._denied: tuple[Refusal, ...] = ()
        # Messages that claude is done with, and that only the history can prove to have arrived.
        self._unproven: dict[str, None] = {}
        # Set where claude has dropped a message, for the reason that this gives.
        self._dropped: Refused | None = None
        # The last words of a hook that has stopped a message, until the turn is over.
        self._refused: Refused | None = None
        # The program's own word on whether a turn is running.
        self._is_running = False
        self.background = Background()

    # ------------------------------------------------------------ a process comes and goes

    def begin(self, history: Past) -> None:
        """Begin with a new process: queue every delivery that isn't over, and continue a turn that was cut off.

        Args:
            history: The contents of the history before anything is written.
        """
        self._is_open, self._history = True, history
        for item in self._receipts.all():
            self._hand_over(item)
        self._continue_turn()

    def end(self) -> None:
        """Forget the process, which has ended; deliveries that aren't over wait for the next one."""
        self._is_open = False
        self._was_busy = self._turn is not None or not self.background.is_over
        self._reset()

    def forget(self) -> None:
        """Forget everything, since another conversation begins; the router sends what isn't over."""
        self.end()
        self._receipts.clear()
        self._steps.clear()
        self._was_busy = False

    # ------------------------------------------------------------ what Claude is to be told

    def doubts(self, delivery: Delivery) -> bool:
        """Return whether the history must be read (``learn``) first: claude may have this dead letter after all."""
        return self._is_open and was_retried(delivery)

    def learn(self, history: Past) -> None:
        """Take note of the history as it is now."""
        self._history = history

    def deliver(self, delivery: Delivery) -> bool:
        """Take a delivery in; return False if it is here already, or was completed here before."""
        item = self._receipts.add(delivery)
        if item is not None and self._is_open:
            self._hand_over(item)
            self._settle_recovered()
        return item is not None

    def go_on(self) -> None:
        """Continue a failed turn now: its messages are in the history."""
        self._suspended = None
        self._say(str(uuid4()), GO_ON)

    def retry(self, message_id: str) -> None:
        """Continue the suspended turn, unless it was continued, ended or suspended anew meanwhile.

        Args:
            message_id: The id that ``suspend_turn`` returned.
        """
        if message_id == self._suspended:
            self._suspended = None
            self._say(message_id, GO_ON)

    def _say(self, message_id: str, text: str) -> None:
        self._own.add(message_id)
        self._outbox.append((message_id, text))

    def _hand_over(self, item: InFlight) -> None:
        """Queue a delivery to be written, unless it has arrived according to the history."""
        # Invariant 1 rests on this check, and on the callers: each brings a history that is at least as new as the
        # delivery's last attempt (the process's start, ``learn`` after ``doubts``, or ``resend``).
        delivery = item.delivery
        if delivery.id in self._history.arrived:
            self._step(delivery.id, DeliveryState.STARTED, receipt="transcript")
            self._recovered[delivery.id] = None
            return
        if item.state in (DeliveryState.ACCEPTED, DeliveryState.STARTED):
            self._take_back(item)
        item.attempts += 1
        item.state, item.written_at = DeliveryState.QUEUED, None  # its receipts begin anew
        self._outbox.append((delivery.id, delivery.text))

    def _continue_turn(self) -> None:
        """Continue a turn that was cut off before the process began, or report the end of one that wasn't."""
        was_busy, self._was_busy = self._was_busy, False
        if not self._history.is_answered or was_busy:
            self._say(str(uuid4()), CONTINUE)
        elif self._recovered:
            self._end_recovered()

    def _settle_recovered(self) -> None:
        """Complete recovered deliveries, unless a turn runs, which may be theirs."""
        if not self._recovered or self._has_turn or self._is_running:
            return
        if self._turn is None:
            self._end_recovered()
        self._finish_recovered()

    def _end_recovered(self) -> None:
        """Complete recovered deliveries with a turn that is over; the history has its last words."""
        if not self._is_continuing:
            self._finish_recovered()
            self._turn = TurnOver(text=self._history.last_text)

    # ------------------------------------------------------------ what has arrived

    def written(self, message_id: str, now: float) -> float | None:
        """Note that a message is in claude's input.

        Returns:
            The time at which its receipt will be overdue, on the clock of ``now``; None if it owes none.
        """
        item = self._receipts.get(message_id)
        if item is None:
            return None
        item.written_at = now
        self._step(message_id, DeliveryState.WRITTEN, attempts=item.attempts)
        return self._receipts.due(item)

    def moved(self, fact: MessageMoved) -> None:
        """Note a receipt: claude acknowledges a message."""
        if fact.uuid not in self._own:
            _received(fact.state)
            # Claude gives the final receipt at the end of each turn, also of one that the API has failed. The work is
            # not done then (invariant 2), so the delivery stays open until the turn was continued.
            is_suspended = fact.state.is_final and self.has_suspended_turn
            if is_suspended:
                self._recovered[fact.uuid] = None
            self._step(fact.uuid, DeliveryState.STARTED if is_suspended else fact.state, receipt=fact.receipt)
        elif fact.state.is_final:
            self._own.discard(fact.uuid)
            self._finish_recovered()

    def unproven(self, message_id: str) -> None:
        """Note that claude is done with a message, without a sign that the model got it."""
        if message_id in self._own or self._receipts.get(message_id) is not None:
            self._unproven[message_id] = None

    @property
    def doubts_arrivals(self) -> bool:
        """True where the history must be read (``prove``) to know whether a message has arrived."""
        return bool(self._unproven)

    def prove(self, history: Past) -> None:
        """Look for unproven messages in the history, read just now; those that it lacks were dropped by claude."""
        self.learn(history)
        unproven, self._unproven = self._unproven, {}
        for message_id in unproven:
            if message_id not in history.arrived:
                self._dropped = self._refused or Refused(reason="", is_kept=False)
            elif message_id in self._own:
                self._own.discard(message_id)
            else:
                self._step(message_id, DeliveryState.STARTED, receipt="transcript")
                self._recovered[message_id] = None
        self._settle_recovered()

    def overdue(self, now: float) -> list[InFlight]:
        """Return the deliveries whose receipt is overdue."""
        return self._receipts.overdue(now)

    def next_due(self) -> float | None:
        """Return the time at which the next receipt will be overdue, or None if none is owed."""
        return self._receipts.next_due()

    def resend(self, overdue: list[InFlight], history: Past) -> None:
        """Resend these, or make them dead letters after the last attempt, unless they have arrived.

        Args:
            overdue: The deliveries without a receipt in time.
            history: The history, read after they became overdue.
        """
        self.learn(history)
        for item in overdue:
            if item.tries < self._max_attempts or item.delivery.id in history.arrived:
                self._hand_over(item)
            else:
                reason = f"no receipt from claude after {item.attempts} attempts"
                self._step(item.delivery.id, DeliveryState.DEAD, reason=reason)
        if self._turn is not None:
            self._settle_recovered()

    # ------------------------------------------------------------ how turns go

    def turn_began(self) -> None:
        """Note that a turn has begun."""
        self._earlier, self._turn, self._has_turn = self._turn, None, True
        self.background.turn_began()

    def refused(self, fact: Refused) -> None:
        """Note that a hook has stopped a message."""
        self._refused = fact
        if self._dropped is not None:
            self._dropped = fact

    def running_changed(self, *, is_running: bool) -> None:
        """Note the program's own word on whether a turn is running."""
        self._is_running = is_running
        self._settle_recovered()

    def background_changed(self, tasks: tuple[BackgroundTask, ...], at: str) -> None:
        """Note all work that goes on in the background now.

        Args:
            tasks: The work.
            at: The time now, for a person.
        """
        self.background.changed(tasks, at, in_turn=self._has_turn or self._is_running)

    def turn_over(self, turn: TurnOver) -> str | None:
        """Note the end of a turn that the API didn't fail.

        Returns:
            The words of a hook that has stopped it, where the message is in the history all the same; ``go_on``
            continues it.
        """
        self._has_turn = False
        if not turn.was_asked:
            self._turn = self._earlier
            return self._refused.reason if self._refused is not None and self._refused.is_kept else None
        self._turn, self._refused = turn, None
        self._denied += turn.denied
        self._suspended = None
        self._finish_recovered()
        return None

    def suspend_turn(self) -> str:
        """Suspend a turn that the API has failed; return the id to continue it with (``retry``)."""
        self._suspended, self._has_turn = str(uuid4()), False
        return self._suspended

    def drop_turn(self) -> None:
        """Drop a turn that the API has failed for good; ``go_on`` continues it once a person has removed the reason."""
        self._suspended, self._has_turn = None, False

    def _finish_recovered(self) -> None:
        """Complete recovered deliveries at the end of a turn, unless a message of ours is to continue it."""
        if self._is_continuing:
            return
        for delivery_id in self._recovered:
            self._step(delivery_id, DeliveryState.COMPLETED, receipt="transcript")
        self._recovered.clear()

    @property
    def _is_continuing(self) -> bool:
        """True while a message of our own is under way, or will follow to continue a suspended turn."""
        return bool(self._own) or self.has_suspended_turn

    # ------------------------------------------------------------ what there is to write and to report

    @property
    def has_suspended_turn(self) -> bool:
        """True while a turn that the API has failed waits to be continued."""
        return self._suspended is not None

    @property
    def is_idle(self) -> bool:
        """True when no delivery, no message of ours and no turn is open, and nothing goes on in the background."""
        is_over = self.background.is_over and not self._is_running and not self._has_turn
        return is_over and not self._receipts and not self._is_continuing

    @property
    def dropped(self) -> Refused | None:
        """Set where claude has dropped a message, so that a new process is needed; only once it is idle."""
        return None if self._has_turn or self._is_running else self._dropped

    @property
    def awaits_claude(self) -> bool:
        """True while claude owes output, so that a long silence means that it hangs."""
        if self.has_suspended_turn:
            return any(item.delivery.id not in self._recovered for item in self._receipts.all())
        return bool(self._receipts or self._own)

    def take_messages(self) -> list[tuple[str, str]]:
        """Return the messages to write now, each an id and a text, in order, and empty the outbox."""
        messages, self._outbox = self._outbox, []
        return messages

    def take_steps(self) -> tuple[DeliveryStep, ...]:
        """Return the steps since the last call, in order."""
        steps, self._steps = tuple(self._steps), []
        return steps

    def take_turn(self) -> TurnOver | None:
        """Return the last turn once the conversation is idle, or None; each turn is returned once.

        It names all tools that were denied since the turn that was returned before.
        """
        if self._turn is None or not self.is_idle:
            return None
        turn = self._turn.model_copy(update={"denied": self._denied})
        self._turn, self._denied = None, ()
        return turn

    def _take_back(self, item: InFlight) -> None:
        """Report that a delivery hasn't arrived after all: claude had it, and was ended before the model got it."""
        step = DeliveryStep(
            delivery_id=item.delivery.id,
            state=DeliveryState.QUEUED,
            reason=NOT_IN_HISTORY,
            attempts=item.attempts,
        )
        self._steps.append(step)

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
