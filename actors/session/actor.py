"""A session: one agent's claude, driven by what the router gives and what Claude says.

The actor brings together the claude (``claude.py``) and what is said to it (``talk.py``): it writes the one's messages
into the other, looks at the clock for both, and tells the router what has changed.
"""

import time

import structlog

from actors.agents.prompt import PromptError
from actors.lib.backoff import Retries
from actors.lib.errors import CoordinatorError, may_pass
from actors.protocol.base import Model
from actors.protocol.deliveries import Delivery
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Adopt, Deliver, SessionState, Unblock
from actors.session.conversation import Talk
from actors.session.drives.stream.api_faults import ApiFaults
from actors.session.drives.stream.command import SessionSettings
from actors.session.drives.stream.drive import Claude
from actors.session.drives.stream.lock import SessionTakenError
from actors.session.drives.stream.parse import (
    Answering,
    ApiFailed,
    Fact,
    Limited,
    MessageMoved,
    Noise,
    Retrying,
    TurnBegan,
    TurnOver,
)
from actors.session.news import (
    Exited,
    FromProcess,
    ReceiptDue,
    Respawn,
    RetryTurn,
    SilenceDue,
    StreamRead,
    Written,
)
from actors.session.policy import START
from actors.session.receipts import InFlight
from actors.session.router_link import Reports, later
from supervisors import Actor, ActorContext, Timer

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""When the transcript is asked again, if it can't be read now (no descriptor is left, for one)."""


class OtherConversationError(CoordinatorError):
    """The journal was lost, and with it the conversation: this session ends, and the next one begins anew."""


class SessionActor(Actor):
    """Drives the claude of one agent.

    Args:
        agent: The agent's name.
        settings: What all sessions need to know.
    """

    batch_size = 100

    def __init__(self, context: ActorContext, *, agent: str, settings: SessionSettings) -> None:
        super().__init__(context)
        self._agent = agent
        self._silence_seconds = settings.silence_seconds
        self._claude = Claude(agent, settings, self.handle)
        self._talk = Talk(receipt_seconds=settings.receipt_seconds, max_attempts=settings.max_attempts)
        self._reports = Reports(agent, context.system, self._talk)
        self._api = ApiFaults()
        self._starts = Retries(START)
        self._timers: dict[type[Model], Timer] = {}

    # ------------------------------------------------------------ life

    def on_start(self) -> None:
        """Ask the router for the conversation and for what is on its way."""
        self._reports.announce()

    def on_receive(self, message: object) -> None:
        """Handle one message; contexts that come one after the other are written in one go."""
        if not isinstance(message, Deliver):
            self._write()
        match message:
            case FromProcess() if message.epoch != self._claude.epoch:
                return  # of a process that is gone
            case FromProcess():
                self._hear(message)
            case Deliver(delivery=delivery):
                self._deliver(delivery)
            case Adopt(session_id=session_id):
                self._adopt(session_id)
            case RouterStarted():
                self._reports.announce()
            case ReceiptDue():
                self._look_after_receipts()
            case Unblock():
                self._revive()
            case _:
                raise TypeError(f"a session knows no {type(message).__name__}")

    def on_batch(self) -> None:
        """Write what is left to be written, and report what the messages have changed."""
        self._write()
        self._watch_silence()
        self._reports.progress()

    def on_exit(self, reason: BaseException | None) -> None:
        """End claude, and let go of the conversation."""
        self._claude.close()
        if reason is None:
            self._change(SessionState.STOPPED)

    def _hear(self, message: FromProcess) -> None:
        match message:
            case StreamRead(facts=facts):
                self._read(facts)
            case Written(delivery_id=delivery_id):
                self._written(delivery_id)
            case Exited(code=code, noise=noise):
                self._exited(code, noise)
            case Respawn():
                self._spawn()
            case RetryTurn(message_id=message_id):
                self._talk.retry(message_id)
            case SilenceDue():
                self._look_after_silence()

    # ------------------------------------------------------------ what the router gives

    def _adopt(self, session_id: str) -> None:
        if self._claude.session_id not in ("", session_id):
            raise OtherConversationError(f"{self._agent} is to lead another conversation from now on")
        self._claude.session_id = session_id
        if not self._talk.is_idle:  # it was revived, and has already what is to be done
            self._wake()

    def _deliver(self, delivery: Delivery) -> None:
        if not self._claude.session_id:
            return  # it had waited for an earlier incarnation, and comes again with the conversation, in its order
        try:
            if self._talk.doubts(delivery):
                self._talk.learn(self._claude.read_transcript())
        except OSError as error:
            if not may_pass(error):
                raise
            self.tell_later(LOOK_SECONDS, Deliver(delivery=delivery))
            return
        if self._talk.deliver(delivery):
            self._wake()
            self._look_for_idleness()

    def _revive(self) -> None:
        self._claude.forget_crashes()
        if not self._claude.is_running:
            self._change(SessionState.STARTING)
        elif self._reports.state is SessionState.BLOCKED or self._talk.holds_turn:
            self._talk.go_on()
            self._change(SessionState.WORKING)
        self._reports.announce()  # the router's answer starts it, if there is anything to do

    # ------------------------------------------------------------ claude comes and goes

    def _wake(self) -> None:
        """Start claude, unless it runs, or something has to happen first."""
        if self._reports.state not in (SessionState.CRASHED, SessionState.BLOCKED):
            self._spawn()

    def _spawn(self) -> None:
        """Start claude in its conversation, and give it all that isn't over."""
        if self._claude.is_running:
            return
        self._cancel_timers()
        try:
            history = self._claude.start()
        except (PromptError, SessionTakenError, OSError) as error:
            self._not_started(error)
            return
        self._starts.reset()
        self._change(SessionState.RESUMING if self._claude.is_resumed else SessionState.STARTING)
        self._talk.begin(history)
        self._look_for_idleness()

    def _not_started(self, error: PromptError | SessionTakenError | OSError) -> None:
        """What is the machine's fault is waited for, however long, and is no crash; the rest is for a person."""
        if isinstance(error, OSError) and may_pass(error):
            seconds = self._starts.failed()
            self._tell_itself(seconds, Respawn(epoch=self._claude.epoch))
            why = f"can't start claude: {error.strerror}" + (f": {error.filename}" if error.filename else "")
            self._change(SessionState.CRASHED, later("tried again", seconds, why))
        else:
            self._change(SessionState.BLOCKED, str(error))

    def _exited(self, code: int, noise: str) -> None:
        """It ended and nobody had asked for it: resume it, unless it does so again and again."""
        crash = self._claude.ended(code, noise)
        self._talk.end()
        self._cancel_timers()
        if crash.seconds is None:
            self._change(SessionState.BLOCKED, crash.detail)
            return
        self._change(SessionState.CRASHED, crash.detail)
        self._tell_itself(crash.seconds, Respawn(epoch=self._claude.epoch))

    def _watch_silence(self) -> None:
        """While it is claude's turn to say something, it may not be silent for too long."""
        if not (self._claude.is_running and self._talk.awaits_claude):
            self._cancel_timer(SilenceDue)
        elif SilenceDue not in self._timers:
            self._tell_itself(self._silence_seconds, SilenceDue(epoch=self._claude.epoch))

    def _look_after_silence(self) -> None:
        """A claude that says nothing for so long, though something is to be done, hangs: it is ended, and resumed."""
        self._cancel_timer(SilenceDue)
        left = self._claude.silent_since + self._silence_seconds - time.monotonic()
        if left > 0:
            self._tell_itself(left, SilenceDue(epoch=self._claude.epoch))
        elif self._talk.awaits_claude:
            log.warning("session_hangs", agent=self._agent, seconds=self._silence_seconds)
            self._claude.kill()

    # ------------------------------------------------------------ contexts go in

    def _write(self) -> None:
        if messages := self._talk.take_messages():
            for message_id in self._claude.write(messages):
                self._written(message_id)

    def _written(self, message_id: str) -> None:
        self._await_receipt(self._talk.written(message_id, time.monotonic()))

    def _look_after_receipts(self) -> None:
        """Where a receipt is overdue, the transcript is asked before anything is written again."""
        self._cancel_timer(ReceiptDue)
        overdue = self._talk.overdue(time.monotonic()) if self._claude.is_running else []
        try:
            if overdue:
                self._take_again(overdue)
        except OSError as error:
            if not may_pass(error):
                raise
            log.warning("transcript_not_read", agent=self._agent, reason=str(error), retry_in=LOOK_SECONDS)
            self._tell_itself(LOOK_SECONDS, ReceiptDue())
        else:
            self._await_receipt(self._talk.next_due())

    def _take_again(self, overdue: list[InFlight]) -> None:
        history = self._claude.read_transcript()
        for item in overdue:
            log.warning(
                "receipt_overdue", agent=self._agent, delivery=item.delivery.id, attempts=item.attempts
            )
        self._talk.take_again(overdue, history)
        self._look_for_idleness()

    def _await_receipt(self, due: float | None) -> None:
        """Look after the receipts at this time; without a process nothing is owed."""
        if due is None or not self._claude.is_running:
            return
        timer = self._timers.get(ReceiptDue)
        if timer is None or timer.due > due:
            self._tell_itself(due - time.monotonic(), ReceiptDue())

    # ------------------------------------------------------------ what Claude says

    def _read(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            match fact:
                case MessageMoved():
                    self._talk.moved(fact)
                case TurnBegan():
                    self._turn_began(fact)
                case Answering():
                    self._change(SessionState.WORKING)
                case Retrying():
                    self._claude.pauses(fact.seconds)
                    self._change(SessionState.RATE_LIMITED, later("goes on", fact.seconds, fact.words))
                case Limited() | ApiFailed():
                    self._api.heard(fact)
                case TurnOver() if fact.by_api:
                    self._failed_by_api(fact)
                case TurnOver():
                    self._api.clear()
                    self._talk.turn_over(fact)
                case Noise(text=text):
                    log.debug("claude_says", agent=self._agent, text=text)
        self._look_for_idleness()

    def _turn_began(self, fact: TurnBegan) -> None:
        if fact.tools_missing:
            log.warning("mcp_server_failed", agent=self._agent, servers=fact.tools_missing)
        self._talk.turn_began()
        self._change(SessionState.WORKING)

    def _failed_by_api(self, turn: TurnOver) -> None:
        """The turn is to go on when the API is well again; what a wait won't mend is for a person."""
        seconds = self._api.failed(turn, time.time())
        if seconds is None:
            self._talk.drop_turn()
            self._change(SessionState.BLOCKED, turn.failure)
            return
        self._tell_itself(seconds, RetryTurn(epoch=self._claude.epoch, message_id=self._talk.hold_turn()))
        self._change(SessionState.RATE_LIMITED, later("goes on", seconds, turn.failure))

    def _look_for_idleness(self) -> None:
        turn = self._talk.take_turn()
        if turn is None:
            return
        self._claude.forget_crashes()
        self._change(SessionState.READY)
        self._reports.turn_ended(turn)

    def _change(self, state: SessionState, detail: str = "") -> None:
        self._reports.change(state, self._claude.pid, detail)

    # ------------------------------------------------------------ the clock

    def _tell_itself(self, seconds: float, message: Model) -> None:
        """Hear this later; of each kind of message the last one holds."""
        self._cancel_timer(type(message))
        self._timers[type(message)] = self.tell_later(seconds, message)

    def _cancel_timer(self, kind: type[Model]) -> None:
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()

    def _cancel_timers(self) -> None:
        """Without a process nothing is owed, and nothing awaited."""
        for kind in tuple(self._timers):
            self._cancel_timer(kind)
