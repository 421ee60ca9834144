"""The session actor: runs one agent's program and passes messages between it and the router.

The actor itself only routes messages and keeps timers; its parts are plain classes:

* ``Drive``: starts the program, writes to it, and reads what it says.
* ``Conversation``: knows which deliveries and turns are open, and what to write next.
* ``RouterLink`` and ``FeedLink``: tell the router and the feed what has changed.
* ``Places``, ``Crashes``, ``ApiFaults``: files that deliveries refer to, restarts after crashes, waits for the API.

A delivery passes through the session like this::

    Deliver -> _take_in -> Conversation -> _write -> Drive -> Written, StreamRead -> Conversation -> Progressed

A life begins with ``SessionReady``; the router answers with ``Adopt`` (which conversation to lead) and one ``Deliver``
for each delivery that isn't over. The program is started only when there is something for it to do.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

import structlog

from actors.lib.backoff import Retries
from actors.lib.errors import CoordinatorError, may_pass
from actors.protocol.base import Model
from actors.protocol.deliveries import Delivery
from actors.protocol.names import FEED
from actors.protocol.router import RouterStarted, ToSession
from actors.protocol.sessions import Adopt, Deliver, Restart, SessionState, Unblock
from actors.session.clock import Alarm, Clock, SystemClock
from actors.session.conversation import Conversation
from actors.session.crashes import NOISE_TAIL, Crashes
from actors.session.drive import (
    Acted,
    Answering,
    ApiFailed,
    BackgroundChanged,
    DriveFactory,
    Exited,
    Fact,
    FromDrive,
    Limited,
    MessageMoved,
    Noise,
    OfProcess,
    Refused,
    Retrying,
    RunningChanged,
    StreamRead,
    TurnBegan,
    TurnOver,
    Unproven,
    Written,
)
from actors.session.drives.stream.api_faults import ApiFaults
from actors.session.drives.stream.drive import StreamDrive
from actors.session.feed_link import FeedLink
from actors.session.places import Places
from actors.session.receipts import InFlight
from actors.session.router_link import RouterLink, later
from actors.session.settings import SessionSettings
from actors.session.timers import ReceiptDue, Respawn, RetryTurn, SilenceDue, TakeIn, ToItself, WakeDue
from actors.session.tools import OpenTools
from supervisors import Actor, ActorContext, Backoff

log = structlog.get_logger(__name__)

START = Backoff(initial=1.0, maximum=30.0, floor=0.5)
"""The wait where the program can't be started for lack of something, such as memory or disk."""
MOST_MISSES = 9
"""The number of starts at which something may be missing that isn't the machine's, such as the program's file or the
agents' directory, before a person is asked: some 3 minutes, since programs are replaced and network disks come back."""
WAKE_SECONDS = 5.0
"""Seconds after the end of background work in which claude begins a turn about it by itself, if at all."""
RETRY_SECONDS = 1.0
"""Seconds before reading or writing the disk is tried again (no descriptor was left, for example)."""


@dataclass(slots=True)
class _Heard:
    """The state of the present process.

    Attributes:
        goes_on_at: The end of the API's wait that claude has announced, on the monotonic clock.
        is_retrying: True while claude asks the API again that has failed.
        was_hung: True once it was killed because it was considered hung.
        is_readable: True once it has written an event.
        noise: Its last output that was no event.
        tools: The tools that it is using.
    """

    goes_on_at: float = 0.0
    is_retrying: bool = False
    was_hung: bool = False
    is_readable: bool = False
    noise: str = ""
    tools: OpenTools = field(default_factory=OpenTools)


class SessionActor(Actor):
    """The session of one agent: writes deliveries to its program, and reports receipts, states and ends of turns.

    Args:
        agent: The agent's name.
        settings: The settings that all sessions share.
        drive: Makes the drive.
        clock: The source of time and of random numbers; the machine's if none is given.
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
        self._places = Places(settings.readable, settings.results(agent))
        self._incoming: deque[Delivery] = deque()
        self._api = ApiFaults(self._clock.jitter)
        self._crashes = Crashes(self._clock)
        self._starts = Retries(START, jitter=self._clock.jitter)
        self._misses = Retries(START, limit=MOST_MISSES, jitter=self._clock.jitter)
        self._heard = _Heard()
        # Turns that neither a message of ours nor background work has begun.
        self._from_elsewhere = 0
        self._timers: dict[type[Model], Alarm] = {}
        self._is_running = False
        self._is_wanted = False

    # ------------------------------------------------------------ life

    def on_start(self) -> None:
        """Ask the router for the conversation and for the deliveries that aren't over."""
        self._announce()

    def on_receive(self, message: ToSession | FromDrive | ToItself) -> None:
        """Handle one message; consecutive deliveries are written to the program together."""
        # Consecutive deliveries gather in the outbox. Anything else is handled after they are written, so that a batch
        # full of output doesn't delay them.
        if not isinstance(message, Deliver):
            self._write()
        # Whatever is about a process names it by its epoch. News and timers of an earlier process may still wait in
        # the mailbox; applied to the present one they would count receipts that it hasn't given, or restart it.
        if isinstance(message, OfProcess) and message.epoch != self._drive.epoch:
            return
        match message:
            case Deliver() | Adopt() | RouterStarted() | Unblock() | Restart():
                self._obey(message)
            case StreamRead() | Written() | Exited():
                self._hear(message)
            case RetryTurn() | SilenceDue() | Respawn() | ReceiptDue() | TakeIn() | WakeDue():
                self._due(message)
            case _:
                assert_never(message)

    def on_batch(self) -> None:
        """Write the rest of the outbox, and report what this batch of messages has changed."""
        self._write()
        self._watch_silence()
        self._watch_wake()
        self._router.progress()
        self._feed.flush()

    def on_exit(self, reason: BaseException | None) -> None:
        """End the program, and release the conversation."""
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
                self._unblock()
            case Restart():
                self._restart()
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
                self._check_silence()
            case ReceiptDue():
                self._check_receipts()
            case TakeIn():
                self._take_in()
            case WakeDue():
                self._conversation.background.give_up_waking()
                self._report_idleness()
            case _:
                assert_never(message)

    # ------------------------------------------------------------ what the router gives

    def _announce(self) -> None:
        self._router.announce(idle=self._conversation.is_idle and not self._incoming)

    def _adopt(self, session_id: str) -> None:
        if self._conversation_id not in ("", session_id):
            self._leave_conversation()
        self._conversation_id = session_id
        # After ``Unblock``, for one: its deliveries are here already.
        if self._is_wanted or not self._conversation.is_idle:
            self._wake()

    def _leave_conversation(self) -> None:
        """End the process, and forget the conversation: another one begins, and what isn't over follows."""
        log.info("conversation_left", agent=self._agent, session=self._conversation_id)
        self._stop_process()
        self._conversation.forget()
        self._incoming.clear()
        self._crashes.clear()
        self._change(SessionState.STARTING)

    def _restart(self) -> None:
        """End the process in order; it is started anew, with prompt and permissions as they are now, when needed."""
        self._stop_process()
        self._crashes.clear()
        self._change(SessionState.STARTING)
        self._announce()

    def _deliver(self, delivery: Delivery) -> None:
        if not self._conversation_id:
            return  # addressed to an earlier incarnation; the router resends it in order after ``Adopt``
        if delivery in self._incoming:
            return  # the router resends everything that isn't over after each announcement
        self._incoming.append(delivery)
        if len(self._incoming) == 1:  # otherwise it waits behind one that can't be taken in now
            self._take_in()

    def _take_in(self) -> None:
        """Take deliveries in, in order; while the disk can't be read or written, all of them wait."""
        while self._incoming:
            try:
                is_new = self._take(self._incoming[0])
            except OSError as error:
                if not may_pass(error):
                    raise
                log.warning(
                    "context_not_taken_in", agent=self._agent, reason=str(error), retry_in=RETRY_SECONDS
                )
                self._clock.tell_later(self, RETRY_SECONDS, TakeIn())
                return
            self._incoming.popleft()
            if is_new:
                self._wake()
        self._report_idleness()

    def _take(self, delivery: Delivery) -> bool:
        # The conversation comes last: once it has the delivery, Claude may read the text, and the files that the text
        # names must be on disk by then. A failure before that leaves the delivery first in line.
        if self._conversation.doubts(delivery):
            self._conversation.learn(self._drive.read_history())
        return self._conversation.deliver(self._places.settle(delivery))

    def _unblock(self) -> None:
        self._crashes.clear()
        if self._is_running and self._conversation.is_idle and self._drive.is_outdated:
            self._stop_process()  # it is resumed with the prompt and the permissions of now
        if not self._is_running:
            self._is_wanted = True
            self._change(SessionState.STARTING)
        elif self._router.state is SessionState.BLOCKED or self._conversation.has_suspended_turn:
            self._conversation.go_on()
            self._change(SessionState.WORKING)
        self._announce()  # the router's ``Adopt`` starts the program

    # ------------------------------------------------------------ the program comes and goes

    def _wake(self) -> None:
        """Start claude, unless it runs, waits after a crash, or is blocked."""
        if self._router.state not in (SessionState.CRASHED, SessionState.BLOCKED):
            self._spawn()

    def _spawn(self) -> None:
        """Start claude in its conversation, and queue every delivery that isn't over."""
        if self._is_running:
            return
        self._cancel_timers()
        try:
            past = self._drive.start(self._conversation_id)
        except (CoordinatorError, OSError) as error:
            self._not_started(error)
            return
        self._is_running, self._heard = True, _Heard()
        self._starts.reset()
        self._misses.reset()
        self._crashes.started()
        if self._drive.is_resumed:
            self._change(SessionState.RESUMING)
        else:
            self._change(SessionState.STARTING)
            self._router.conversation_began(self._conversation_id)
        self._conversation.begin(past)
        self._report_idleness()
        if self._is_wanted and self._conversation.is_idle and not self._incoming:
            self._change(SessionState.READY)
        self._is_wanted = False

    def _not_started(self, error: CoordinatorError | OSError) -> None:
        """Try again later, without counting a crash; block the session where waiting won't help, or hasn't helped."""
        if not isinstance(error, OSError):
            self._change(SessionState.BLOCKED, str(error))
            return
        retries = self._starts if may_pass(error) else self._misses
        seconds = retries.failed()
        why = f"can't start claude: {error.strerror}" + (f": {error.filename}" if error.filename else "")
        if retries.exhausted:
            self._misses.reset()
            self._change(SessionState.BLOCKED, f"{why}; tried {MOST_MISSES} times")
            return
        self._tell_itself(seconds, Respawn(epoch=self._drive.epoch))
        self._change(SessionState.CRASHED, self._later("tried again", seconds, why))

    def _exited(self, exited: Exited) -> None:
        """Resume claude after an unexpected end, or block the session if it is in a crash loop."""
        crash = self._crashes.add(exited, was_hung=self._heard.was_hung)
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
        """Set the silence timer while claude owes output, and cancel it otherwise."""
        if not (self._is_running and self._conversation.awaits_claude):
            self._cancel_timer(SilenceDue)
        elif SilenceDue not in self._timers:
            self._tell_itself(self._silence_seconds, SilenceDue(epoch=self._drive.epoch))

    def _check_silence(self) -> None:
        """Kill a claude that has owed output for too long: it is considered hung, and resumed like after a crash.

        A tool may be silent for hours: while one runs, and processes of it are alive, claude isn't considered hung.
        """
        self._cancel_timer(SilenceDue)
        silent_since = max(self._drive.heard_at, self._heard.goes_on_at)
        left = silent_since + self._silence_seconds - self._clock.monotonic()
        if left > 0:
            self._tell_itself(left, SilenceDue(epoch=self._drive.epoch))
        elif self._heard.tools and self._drive.has_children():
            self._tell_itself(self._silence_seconds, SilenceDue(epoch=self._drive.epoch))
        elif self._conversation.awaits_claude:
            log.warning("session_hung", agent=self._agent, seconds=self._silence_seconds)
            self._heard.was_hung = True
            self._drive.kill()

    def _watch_wake(self) -> None:
        """Set the timer for the turn that follows the end of background work, and cancel it once there is one."""
        if not self._conversation.background.awaits_wake:
            self._cancel_timer(WakeDue)
        elif WakeDue not in self._timers:
            self._tell_itself(WAKE_SECONDS, WakeDue(epoch=self._drive.epoch))

    # ------------------------------------------------------------ contexts go in

    def _write(self) -> None:
        if messages := self._conversation.take_messages():
            for message_id in self._drive.write(messages):
                self._written(message_id)

    def _written(self, message_id: str) -> None:
        self._await_receipt(self._conversation.written(message_id, self._clock.monotonic()))

    def _check_receipts(self) -> None:
        """Resend what has no receipt in time; the history is read first, as it may have arrived all the same."""
        self._cancel_timer(ReceiptDue)
        overdue = self._conversation.overdue(self._clock.monotonic()) if self._is_running else []
        if overdue and self._heard.noise and not self._heard.is_readable:
            self._end_process(f"its output can't be read: {self._heard.noise}")
            return
        try:
            if self._conversation.doubts_arrivals:
                self._conversation.prove(self._drive.read_history())
            if overdue:
                self._resend(overdue)
        except OSError as error:
            if not may_pass(error):
                raise
            log.warning("transcript_not_read", agent=self._agent, reason=str(error), retry_in=RETRY_SECONDS)
            self._tell_itself(RETRY_SECONDS, ReceiptDue())
        else:
            self._await_receipt(self._conversation.next_due())

    def _resend(self, overdue: list[InFlight]) -> None:
        past = self._drive.read_history()
        for item in overdue:
            log.warning(
                "receipt_overdue", agent=self._agent, delivery=item.delivery.id, attempts=item.attempts
            )
        self._conversation.resend(overdue, past)
        self._report_idleness()

    def _await_receipt(self, due: float | None) -> None:
        """Set the receipt timer, unless it is due before; without a process no receipt is owed."""
        if due is None or not self._is_running:
            return
        timer = self._timers.get(ReceiptDue)
        if timer is None or timer.due > due:
            self._tell_itself(due - self._clock.monotonic(), ReceiptDue())

    # ------------------------------------------------------------ what Claude says

    def _read(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            self._note(fact)
        if self._conversation.doubts_arrivals:
            self._check_receipts()
        self._report_idleness()
        if (dropped := self._conversation.dropped) is not None:
            self._message_dropped(dropped)

    def _note(self, fact: Fact) -> None:
        if not isinstance(fact, Noise):
            self._heard.is_readable = True
        match fact:
            case MessageMoved():
                self._conversation.moved(fact)
            case Unproven(uuid=uuid):
                self._conversation.unproven(uuid)
            case Refused():
                self._conversation.refused(fact)
            case BackgroundChanged():
                self._background_changed(fact)
            case RunningChanged(is_running=is_running):
                self._conversation.running_changed(is_running=is_running)
            case TurnBegan():
                self._turn_began(fact)
            case Answering():
                self._heard.is_retrying = False
                self._change(SessionState.WORKING)
            case Retrying():
                if not self._heard.is_retrying:
                    log.warning("api_fails", agent=self._agent, reason=fact.words)
                self._heard.is_retrying = True
                self._heard.goes_on_at = self._clock.monotonic() + fact.seconds
                self._change(SessionState.RATE_LIMITED, self._later("goes on", fact.seconds, fact.words))
            case Limited() | ApiFailed():
                self._api.heard(fact)
            case TurnOver():
                self._turn_over(fact)
            case Acted(activities=activities):
                self._heard.tools.note(activities)
                self._feed.add(activities)
            case Noise(text=text):
                self._heard.noise = text
                log.debug("claude_says", agent=self._agent, text=text)
            case _:
                assert_never(fact)

    def _turn_over(self, turn: TurnOver) -> None:
        if turn.origin:
            self._from_elsewhere += 1
            log.warning(
                "turn_from_elsewhere", agent=self._agent, origin=turn.origin, turns=self._from_elsewhere
            )
        if turn.by_api:
            self._failed_by_api(turn)
            return
        self._heard.tools.clear()
        self._api.clear()
        stopped = self._conversation.turn_over(turn)
        if stopped is not None:
            self._change(SessionState.BLOCKED, f"a hook stopped the turn: {stopped}")

    def _background_changed(self, fact: BackgroundChanged) -> None:
        self._conversation.background_changed(fact.tasks, f"{self._local_time():%H:%M:%S}")
        if words := self._conversation.background.words:
            self._router.change(SessionState.WORKING, self._drive.pid, words, in_background=True)

    def _message_dropped(self, dropped: Refused) -> None:
        """End a process that won't take a message any more: the next one is given it anew."""
        if dropped.reason:
            self._end_process(f"a hook refused a message: {dropped.reason}")
        else:
            log.warning("message_dropped", agent=self._agent)
            self._drive.kill()

    def _end_process(self, why: str) -> None:
        """End the process in an orderly way, and block the session."""
        self._stop_process()
        self._change(SessionState.BLOCKED, why)

    def _stop_process(self) -> None:
        self._drive.close()
        if self._is_running:
            self._is_running = False
            self._conversation.end()
        self._cancel_timers()

    def _turn_began(self, fact: TurnBegan) -> None:
        if fact.tools_missing:
            log.warning("mcp_server_failed", agent=self._agent, servers=fact.tools_missing)
        self._router.program_seen(fact.version)
        self._conversation.turn_began()
        self._change(SessionState.WORKING)

    def _failed_by_api(self, turn: TurnOver) -> None:
        """Suspend the turn until the API may work again, or block the session where waiting won't help."""
        seconds = self._api.failed(turn, self._clock.time())
        if seconds is None:
            self._conversation.drop_turn()
            self._change(SessionState.BLOCKED, turn.failure, is_spoiled=self._api.is_spoiled)
            return
        self._tell_itself(
            seconds, RetryTurn(epoch=self._drive.epoch, message_id=self._conversation.suspend_turn())
        )
        self._change(SessionState.RATE_LIMITED, self._later("goes on", seconds, turn.failure))

    def _report_idleness(self) -> None:
        # ``TurnEnded`` tells the router that the agent is free for its next subtask. It may go up only when nothing is
        # waiting, in flight or suspended, and once for each time that this becomes true.
        if self._incoming or not self._conversation.is_idle:
            return
        turn = self._conversation.take_turn()
        if turn is not None:
            self._crashes.clear()
            self._change(SessionState.READY)
            self._router.turn_ended(turn)
        elif self._router.state is SessionState.WORKING:
            self._change(SessionState.READY)

    def _change(self, state: SessionState, detail: str = "", *, is_spoiled: bool = False) -> None:
        pid = self._drive.pid if self._is_running else None
        self._router.change(state, pid, detail, is_spoiled=is_spoiled)

    # ------------------------------------------------------------ the clock

    def _tell_itself(self, seconds: float, message: ToItself) -> None:
        """Send itself this message later; a new timer replaces one of the same kind."""
        self._cancel_timer(type(message))
        self._timers[type(message)] = self._clock.tell_later(self, seconds, message)

    def _later(self, what: str, seconds: float, why: str) -> str:
        return later(what, seconds, why, self._local_time())

    def _local_time(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time()).astimezone()

    def _cancel_timer(self, kind: type[Model]) -> None:
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()

    def _cancel_timers(self) -> None:
        """Cancel all timers: without a process no receipt or output is owed."""
        for kind in tuple(self._timers):
            self._cancel_timer(kind)
