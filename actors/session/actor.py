"""A session: one agent's program, driven by what the router gives and what the program says.

The actor brings together the drive (``drive.py``) and what is said to the program (``conversation.py``): it writes the
one's messages into the other, looks at the clock for both, and tells the router what has changed.
"""

from collections import deque
from datetime import datetime
from typing import assert_never

import structlog

from actors.agents.prompt import PromptError
from actors.lib.backoff import Retries
from actors.lib.errors import CoordinatorError, may_pass
from actors.protocol.base import Model
from actors.protocol.deliveries import Delivery
from actors.protocol.names import FEED
from actors.protocol.router import RouterStarted, ToSession
from actors.protocol.sessions import Adopt, Deliver, SessionState, Unblock
from actors.session.clock import Alarm, Clock, SystemClock
from actors.session.conversation import Conversation
from actors.session.crashes import NOISE_TAIL, Crashes
from actors.session.drive import (
    Acted,
    Answering,
    ApiFailed,
    DriveFactory,
    Exited,
    Fact,
    FromDrive,
    Limited,
    MessageMoved,
    Noise,
    OfProcess,
    Retrying,
    SessionTakenError,
    StreamRead,
    TurnBegan,
    TurnOver,
    Written,
)
from actors.session.drives.stream.api_faults import ApiFaults
from actors.session.drives.stream.drive import StreamDrive
from actors.session.feed_link import FeedLink
from actors.session.places import Places
from actors.session.receipts import InFlight
from actors.session.router_link import RouterLink, later
from actors.session.settings import SessionSettings
from actors.session.timers import ReceiptDue, Respawn, RetryTurn, SilenceDue, TakeIn, ToItself
from supervisors import Actor, ActorContext, Backoff

log = structlog.get_logger(__name__)

START = Backoff(initial=1.0, maximum=30.0, floor=0.5)
"""How long to wait where the program can't be started for want of something, such as memory or disk."""
LOOK_SECONDS = 1.0
"""When the disk is asked again, if it can't be read or written now (no descriptor is left, for one)."""


class OtherConversationError(CoordinatorError):
    """The journal was lost, and with it the conversation: this session ends, and the next one begins anew."""


class SessionActor(Actor):
    """Drives the program of one agent.

    Args:
        agent: The agent's name.
        settings: What all sessions need to know.
        drive: Makes the drive.
        clock: The time, and chance.
    """

    batch_size = 100

    def __init__(
        self,
        context: ActorContext,
        *,
        agent: str,
        settings: SessionSettings,
        drive: DriveFactory = StreamDrive,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(context)
        self._agent = agent
        self._silence_seconds = settings.silence_seconds
        self._clock = clock or SystemClock()
        self._drive = drive(agent, settings, self.handle, self._clock)
        self._conversation_id = ""
        self._conversation = Conversation(
            receipt_seconds=settings.receipt_seconds, max_attempts=settings.max_attempts
        )
        self._router = RouterLink(agent, context.system, self._conversation)
        self._feed = FeedLink(agent, context.system.handle(FEED), self._clock)
        self._places = Places(settings.readable, settings.results)
        self._incoming: deque[Delivery] = deque()
        self._api = ApiFaults(self._clock.jitter)
        self._crashes = Crashes(self._clock)
        self._starts = Retries(START, jitter=self._clock.jitter)
        self._timers: dict[type[Model], Alarm] = {}
        self._is_running = False
        self._goes_on_at = 0.0

    # ------------------------------------------------------------ life

    def on_start(self) -> None:
        """Ask the router for the conversation and for what is on its way."""
        self._announce()

    def on_receive(self, message: ToSession | FromDrive | ToItself) -> None:
        """Handle one message; contexts that come one after the other are written in one go."""
        if not isinstance(message, Deliver):
            self._write()
        if isinstance(message, OfProcess) and message.epoch != self._drive.epoch:
            return  # of a process that is gone
        match message:
            case Deliver() | Adopt() | RouterStarted() | Unblock():
                self._obey(message)
            case StreamRead() | Written() | Exited():
                self._hear(message)
            case RetryTurn() | SilenceDue() | Respawn() | ReceiptDue() | TakeIn():
                self._due(message)
            case _:
                assert_never(message)

    def on_batch(self) -> None:
        """Write what is left to be written, and report what the messages have changed."""
        self._write()
        self._watch_silence()
        self._router.progress()
        self._feed.flush()

    def on_exit(self, reason: BaseException | None) -> None:
        """End the program, and let go of the conversation."""
        self._is_running = False
        self._drive.close()
        if reason is None:
            self._change(SessionState.STOPPED)

    def _obey(self, message: ToSession) -> None:
        match message:
            case Deliver(delivery=delivery):
                self._deliver(delivery)
            case Adopt(session_id=session_id):
                self._adopt(session_id)
            case RouterStarted():
                self._announce()
            case Unblock():
                self._revive()
            case _:
                assert_never(message)

    def _hear(self, news: FromDrive) -> None:
        match news:
            case StreamRead(facts=facts):
                self._read(facts)
            case Written(delivery_id=delivery_id):
                self._written(delivery_id)
            case Exited():
                self._exited(news)
            case _:
                assert_never(news)

    def _due(self, message: ToItself) -> None:
        match message:
            case Respawn():
                self._spawn()
            case RetryTurn(message_id=message_id):
                self._conversation.retry(message_id)
            case SilenceDue():
                self._look_after_silence()
            case ReceiptDue():
                self._look_after_receipts()
            case TakeIn():
                self._take_in()
            case _:
                assert_never(message)

    # ------------------------------------------------------------ what the router gives

    def _announce(self) -> None:
        self._router.announce(idle=self._conversation.is_idle and not self._incoming)

    def _adopt(self, session_id: str) -> None:
        if self._conversation_id not in ("", session_id):
            raise OtherConversationError(f"{self._agent} is to lead another conversation from now on")
        self._conversation_id = session_id
        if not self._conversation.is_idle:  # it was revived, and has already what is to be done
            self._wake()

    def _deliver(self, delivery: Delivery) -> None:
        if not self._conversation_id:
            return  # it had waited for an earlier incarnation, and comes again with the conversation, in its order
        if delivery in self._incoming:
            return  # the router has given all that isn't over once more
        self._incoming.append(delivery)
        if len(self._incoming) == 1:  # or it waits behind one that can't be taken in now
            self._take_in()

    def _take_in(self) -> None:
        """Take contexts in, in their order; where the disk can't be read or written now, all of them wait for it."""
        while self._incoming:
            try:
                is_new = self._take(self._incoming[0])
            except OSError as error:
                if not may_pass(error):
                    raise
                log.warning(
                    "context_not_taken_in", agent=self._agent, reason=str(error), retry_in=LOOK_SECONDS
                )
                self._clock.tell_later(self, LOOK_SECONDS, TakeIn())
                return
            self._incoming.popleft()
            if is_new:
                self._wake()
        self._look_for_idleness()

    def _take(self, delivery: Delivery) -> bool:
        if self._conversation.doubts(delivery):
            self._conversation.learn(self._drive.read_history())
        return self._conversation.deliver(self._places.settle(delivery))

    def _revive(self) -> None:
        self._crashes.clear()
        if not self._is_running:
            self._change(SessionState.STARTING)
        elif self._router.state is SessionState.BLOCKED or self._conversation.holds_turn:
            self._conversation.go_on()
            self._change(SessionState.WORKING)
        self._announce()  # the router's answer starts it, if there is anything to do

    # ------------------------------------------------------------ the program comes and goes

    def _wake(self) -> None:
        """Start claude, unless it runs, or something has to happen first."""
        if self._router.state not in (SessionState.CRASHED, SessionState.BLOCKED):
            self._spawn()

    def _spawn(self) -> None:
        """Start claude in its conversation, and give it all that isn't over."""
        if self._is_running:
            return
        self._cancel_timers()
        try:
            past = self._drive.start(self._conversation_id)
        except (PromptError, SessionTakenError, OSError) as error:
            self._not_started(error)
            return
        self._is_running, self._goes_on_at = True, 0.0
        self._starts.reset()
        self._change(SessionState.RESUMING if self._drive.is_resumed else SessionState.STARTING)
        self._conversation.begin(past)
        self._look_for_idleness()

    def _not_started(self, error: PromptError | SessionTakenError | OSError) -> None:
        """What is the machine's fault is waited for, however long, and is no crash; the rest is for a person."""
        if isinstance(error, OSError) and may_pass(error):
            seconds = self._starts.failed()
            self._tell_itself(seconds, Respawn(epoch=self._drive.epoch))
            why = f"can't start claude: {error.strerror}" + (f": {error.filename}" if error.filename else "")
            self._change(SessionState.CRASHED, self._later("tried again", seconds, why))
        else:
            self._change(SessionState.BLOCKED, str(error))

    def _exited(self, exited: Exited) -> None:
        """It ended and nobody had asked for it: resume it, unless it does so again and again."""
        crash = self._crashes.add(exited)
        log.warning("session_crashed", agent=self._agent, code=exited.code, noise=exited.noise[-NOISE_TAIL:])
        self._is_running = False
        self._conversation.end()
        self._cancel_timers()
        if crash.seconds is None:
            self._change(SessionState.BLOCKED, crash.detail)
            return
        self._change(SessionState.CRASHED, crash.detail)
        self._tell_itself(crash.seconds, Respawn(epoch=self._drive.epoch))

    def _watch_silence(self) -> None:
        """While it is claude's turn to say something, it may not be silent for too long."""
        if not (self._is_running and self._conversation.awaits_claude):
            self._cancel_timer(SilenceDue)
        elif SilenceDue not in self._timers:
            self._tell_itself(self._silence_seconds, SilenceDue(epoch=self._drive.epoch))

    def _look_after_silence(self) -> None:
        """A claude that says nothing for so long, though something is to be done, hangs: it is ended, and resumed."""
        self._cancel_timer(SilenceDue)
        silent_since = max(self._drive.heard_at, self._goes_on_at)
        left = silent_since + self._silence_seconds - self._clock.monotonic()
        if left > 0:
            self._tell_itself(left, SilenceDue(epoch=self._drive.epoch))
        elif self._conversation.awaits_claude:
            log.warning("session_hangs", agent=self._agent, seconds=self._silence_seconds)
            self._drive.kill()

    # ------------------------------------------------------------ contexts go in

    def _write(self) -> None:
        if messages := self._conversation.take_messages():
            for message_id in self._drive.write(messages):
                self._written(message_id)

    def _written(self, message_id: str) -> None:
        self._await_receipt(self._conversation.written(message_id, self._clock.monotonic()))

    def _look_after_receipts(self) -> None:
        """Where a receipt is overdue, the transcript is asked before anything is written again."""
        self._cancel_timer(ReceiptDue)
        overdue = self._conversation.overdue(self._clock.monotonic()) if self._is_running else []
        try:
            if overdue:
                self._take_again(overdue)
        except OSError as error:
            if not may_pass(error):
                raise
            log.warning("transcript_not_read", agent=self._agent, reason=str(error), retry_in=LOOK_SECONDS)
            self._tell_itself(LOOK_SECONDS, ReceiptDue())
        else:
            self._await_receipt(self._conversation.next_due())

    def _take_again(self, overdue: list[InFlight]) -> None:
        past = self._drive.read_history()
        for item in overdue:
            log.warning(
                "receipt_overdue", agent=self._agent, delivery=item.delivery.id, attempts=item.attempts
            )
        self._conversation.take_again(overdue, past)
        self._look_for_idleness()

    def _await_receipt(self, due: float | None) -> None:
        """Look after the receipts at this time; without a process nothing is owed."""
        if due is None or not self._is_running:
            return
        timer = self._timers.get(ReceiptDue)
        if timer is None or timer.due > due:
            self._tell_itself(due - self._clock.monotonic(), ReceiptDue())

    # ------------------------------------------------------------ what Claude says

    def _read(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            self._note(fact)
        self._look_for_idleness()

    def _note(self, fact: Fact) -> None:
        match fact:
            case MessageMoved():
                self._conversation.moved(fact)
            case TurnBegan():
                self._turn_began(fact)
            case Answering():
                self._change(SessionState.WORKING)
            case Retrying():
                self._goes_on_at = self._clock.monotonic() + fact.seconds
                self._change(SessionState.RATE_LIMITED, self._later("goes on", fact.seconds, fact.words))
            case Limited() | ApiFailed():
                self._api.heard(fact)
            case TurnOver():
                self._turn_over(fact)
            case Acted(activities=activities):
                self._feed.add(activities)
            case Noise(text=text):
                log.debug("claude_says", agent=self._agent, text=text)
            case _:
                assert_never(fact)

    def _turn_over(self, turn: TurnOver) -> None:
        if turn.by_api:
            self._failed_by_api(turn)
            return
        self._api.clear()
        self._conversation.turn_over(turn)

    def _turn_began(self, fact: TurnBegan) -> None:
        if fact.tools_missing:
            log.warning("mcp_server_failed", agent=self._agent, servers=fact.tools_missing)
        self._conversation.turn_began()
        self._change(SessionState.WORKING)

    def _failed_by_api(self, turn: TurnOver) -> None:
        """The turn is to go on when the API is well again; what a wait won't mend is for a person."""
        seconds = self._api.failed(turn, self._clock.time())
        if seconds is None:
            self._conversation.drop_turn()
            self._change(SessionState.BLOCKED, turn.failure)
            return
        self._tell_itself(
            seconds, RetryTurn(epoch=self._drive.epoch, message_id=self._conversation.hold_turn())
        )
        self._change(SessionState.RATE_LIMITED, self._later("goes on", seconds, turn.failure))

    def _look_for_idleness(self) -> None:
        turn = None if self._incoming else self._conversation.take_turn()
        if turn is None:
            return
        self._crashes.clear()
        self._change(SessionState.READY)
        self._router.turn_ended(turn)

    def _change(self, state: SessionState, detail: str = "") -> None:
        self._router.change(state, self._drive.pid if self._is_running else None, detail)

    # ------------------------------------------------------------ the clock

    def _tell_itself(self, seconds: float, message: ToItself) -> None:
        """Hear this later; of each kind of message the last one holds."""
        self._cancel_timer(type(message))
        self._timers[type(message)] = self._clock.tell_later(self, seconds, message)

    def _later(self, what: str, seconds: float, why: str) -> str:
        return later(what, seconds, why, datetime.fromtimestamp(self._clock.time()).astimezone())

    def _cancel_timer(self, kind: type[Model]) -> None:
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()

    def _cancel_timers(self) -> None:
        """Without a process nothing is owed, and nothing awaited."""
        for kind in tuple(self._timers):
            self._cancel_timer(kind)
