"""A session: one agent's claude, driven by what the router gives and what Claude says.

The actor owns the process, the receipts and the lock of its conversation. It writes a context, waits for Claude's
own receipt, and reports each step. Nothing is written a second time before the transcript was asked.
"""

import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import structlog

from actors.delivery import Delivery, DeliveryState, DeliveryStep
from actors.messages import (
    ROUTER,
    Adopt,
    Announce,
    Deliver,
    Progressed,
    Revive,
    SessionChanged,
    SessionReady,
    SessionState,
    TurnEnded,
)
from actors.session.command import SessionSettings, command_line
from actors.session.facts import (
    Answering,
    Fact,
    MessageMoved,
    Noise,
    Retrying,
    TurnBegan,
    TurnOver,
    parse_line,
    user_message,
)
from actors.session.lock import SessionLock, SessionTakenError
from actors.session.news import (
    EPOCHS,
    Exited,
    FromProcess,
    ReceiptDue,
    Respawn,
    RetryTurn,
    SilenceDue,
    StreamRead,
    Written,
)
from actors.session.policy import PERMANENT, CrashWindow, TurnRetries
from actors.session.process import ClaudeProcess, reap
from actors.session.prompt import PromptError
from actors.session.receipts import InFlight, Receipts
from actors.session.transcript import Conversation, find_transcript, read_transcript
from actors.workdir.files import write_atomically
from supervisors import Actor, Context, Timer

log = structlog.get_logger(__name__)

STOP_SECONDS = 4.0
"""How long claude may take to end after SIGTERM."""
ORPHAN_SECONDS = 2.0
ROOM = 1000
"""How many batches of output may wait for the actor before reading pauses."""
ROOM_SECONDS = 0.5
"""How often a reading that pauses looks whether anybody still wants it."""
GO_ON = (
    "[coordinator] The API had failed and is asked again. Go on where you left off; what was sent to you before is"
    " above, and isn't sent again."
)
CONTINUE = (
    "[coordinator] Your process was interrupted and is running again, in the same conversation. Go on where you"
    " left off; what was sent to you before is above, and isn't sent again."
)


class SessionActor(Actor):
    """Drives the claude of one agent.

    Args:
        agent: The agent's name.
        settings: What all sessions need to know.
    """

    batch_size = 100

    def __init__(self, context: Context, *, agent: str, settings: SessionSettings) -> None:
        super().__init__(context)
        self._agent = agent
        self._settings = settings
        self._receipts = Receipts(settings.receipt_seconds)
        self._process: ClaudeProcess | None = None
        self._epoch = 0
        self._session_id: str | None = None
        self._lock: SessionLock | None = None
        self._conversation = Conversation()
        self._state = SessionState.STARTING
        self._told_pid: int | None = None
        self._crashes = CrashWindow()
        self._retries = TurnRetries()
        self._retry: tuple[str, Timer] | None = None
        self._own: set[str] = set()
        self._recovered: list[str] = []
        self._turn: TurnOver | None = None
        self._denied: tuple[str, ...] = ()
        self._outbox: list[tuple[str, bytes]] = []
        self._steps: list[DeliveryStep] = []
        self._timer: Timer | None = None
        self._silence: Timer | None = None
        self._force_new = False

    # ------------------------------------------------------------ life

    def on_start(self) -> None:
        """Ask the router for the conversation and for what is on its way."""
        self._announce()

    def on_receive(self, message: object) -> None:
        """Handle one message; contexts that come one after the other are written in one go."""
        if not isinstance(message, Deliver):
            self._write()
        match message:
            case FromProcess() if message.epoch != self._epoch:
                return  # of a process that is gone
            case FromProcess():
                self._hear(message)
            case Deliver(delivery=delivery):
                self._deliver(delivery)
            case Adopt(session_id=session_id):
                self._adopt(session_id)
            case Announce():
                self._announce()
            case ReceiptDue():
                self._look_after_receipts()
            case Revive():
                self._revive()
            case _:
                raise TypeError(f"a session knows no {type(message).__name__}")

    def on_batch(self) -> None:
        """Write what is left to be written, and report what the messages have changed."""
        self._write()
        self._report()

    def _hear(self, message: "FromProcess") -> None:
        match message:
            case StreamRead(facts=facts):
                self._read(facts)
            case Written(delivery_id=delivery_id):
                self._written(delivery_id)
            case Exited(code=code, noise=noise):
                self._exited(code, noise)
            case Respawn() if self._process is None:
                self._spawn()
            case RetryTurn():
                self._go_on()
            case SilenceDue():
                self._look_after_silence()

    def on_exit(self, reason: BaseException | None) -> None:
        """End claude, and let go of the conversation."""
        self._epoch = 0
        process, self._process = self._process, None
        if process is not None:
            process.stop(STOP_SECONDS)
        if self._lock is not None:
            self._lock.release()
        if reason is None:
            self._change(SessionState.STOPPED)

    def _announce(self) -> None:
        self._report()  # first, or the router would give what is done once more
        idle = not self._receipts and not self._own
        self.context.system.handle(ROUTER).tell(SessionReady(agent=self._agent, idle=idle))

    # ------------------------------------------------------------ contexts in

    def _adopt(self, session_id: str) -> None:
        self._session_id = session_id
        if self._receipts:  # it was blocked, and tries again
            self._wake()

    def _deliver(self, delivery: Delivery) -> None:
        if self._session_id is None:
            return  # it had waited for an earlier incarnation, and comes again with the conversation, in its order
        item = self._receipts.add(delivery)
        if item is None:
            return
        if self._process is None:
            self._wake()
        else:
            self._hand_over(item)
            self._continue_turn()

    def _wake(self) -> None:
        """Start claude, unless it runs, or something has to happen first."""
        if self._process is None and self._state not in (SessionState.CRASHED, SessionState.BLOCKED):
            self._spawn()

    def _hand_over(self, item: InFlight) -> None:
        """Write it, unless the transcript says that it has arrived."""
        delivery = item.delivery
        if delivery.id in self._conversation.arrived:
            self._step(delivery.id, DeliveryState.STARTED, "transcript")
            self._recovered.append(delivery.id)
            return
        if self._process is None:
            return
        item.attempts += 1
        item.state, item.written_at = DeliveryState.QUEUED, None  # in this process nothing is known of it yet
        self._outbox.append((delivery.id, user_message(delivery.id, delivery.text)))

    def _write(self) -> None:
        messages, self._outbox = self._outbox, []
        if messages and self._process is not None:
            for tag in self._process.write_all(messages):
                self._written(tag)

    def _written(self, delivery_id: str) -> None:
        item = self._receipts.get(delivery_id)
        if item is None:
            return
        item.written_at = time.monotonic()
        self._step(delivery_id, DeliveryState.WRITTEN, None, attempts=item.attempts)
        self._set_timer(self._receipts.due(item))

    def _look_after_receipts(self) -> None:
        """Where a receipt is overdue: ask the transcript, then write again, then give up."""
        self._timer = None
        overdue = self._receipts.overdue(time.monotonic())
        if overdue and self._process is not None:
            self._conversation = self._ask_transcript()
            for item in overdue:
                self._take_again(item)
            if self._turn is not None:
                self._finish_recovered()
            self._look_for_idleness()
        self._set_timer(self._receipts.next_due())

    def _take_again(self, item: InFlight) -> None:
        delivery_id = item.delivery.id
        log.warning("receipt_overdue", agent=self._agent, delivery=delivery_id, attempts=item.attempts)
        if item.attempts < self._settings.max_attempts or delivery_id in self._conversation.arrived:
            self._hand_over(item)
        else:
            reason = f"no receipt from claude after {item.attempts} attempts"
            self._step(delivery_id, DeliveryState.DEAD, None, reason=reason)

    def _set_timer(self, due: float | None) -> None:
        """Look after the receipts at this time; without a process nothing is owed."""
        if due is None or self._process is None:
            return
        if self._timer is not None:
            if self._timer.due <= due:
                return
            self._timer.cancel()
        self._timer = self.tell_later(due - time.monotonic(), ReceiptDue())

    # ------------------------------------------------------------ news from Claude

    def _read(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            match fact:
                case MessageMoved(uuid=uuid, state=state, receipt=receipt):
                    self._moved(uuid, state, receipt)
                case TurnBegan(tools_missing=missing):
                    if missing:
                        log.warning("mcp_server_failed", agent=self._agent, servers=missing)
                    self._turn = None
                    self._change(SessionState.WORKING)
                case Answering():
                    self._change(SessionState.WORKING)
                case Retrying():
                    self._retrying(fact)
                case TurnOver():
                    self._turn_over(fact)
                case Noise(text=text):
                    log.debug("claude_says", agent=self._agent, text=text)
        self._look_for_idleness()

    def _turn_over(self, turn: TurnOver) -> None:
        if turn.by_api:
            self._failed_by_api(turn)
            return
        self._turn = turn
        self._denied += turn.denied
        self._retries.clear()
        self._end_retry()
        self._finish_recovered()

    def _failed_by_api(self, turn: TurnOver) -> None:
        """The turn is to go on when the API is well again; what a wait won't mend is for a person."""
        self._end_retry()
        what = f"the API answered {turn.status}" if turn.status else "the API can't be reached"
        if turn.status in PERMANENT:
            self._change(SessionState.BLOCKED, f"{what}: {turn.error}")
            return
        delay = self._retries.add()
        uuid = str(uuid4())
        self._own.add(uuid)  # until then it is not idle
        self._retry = uuid, self.tell_later(delay, RetryTurn(epoch=self._epoch))
        at = (datetime.now().astimezone() + timedelta(seconds=delay)).strftime("%H:%M:%S")
        self._change(SessionState.RATE_LIMITED, f"{what}: {turn.error}; it goes on at {at}")

    def _go_on(self) -> None:
        """Have the model go on with the turn that failed: its messages are in the history."""
        if self._retry is not None and self._process is not None:
            (uuid, _), self._retry = self._retry, None
            self._outbox.append((uuid, user_message(uuid, GO_ON)))

    def _end_retry(self) -> None:
        if self._retry is not None:
            (uuid, timer), self._retry = self._retry, None
            timer.cancel()
            self._own.discard(uuid)

    def _moved(self, uuid: str, state: DeliveryState, receipt: str) -> None:
        if uuid in self._own:
            if state.is_final:
                self._own.discard(uuid)
                self._finish_recovered()
            return
        self._step(uuid, state, receipt)

    def _finish_recovered(self) -> None:
        """What had arrived without a receipt is done when a turn is over that nothing of ours is to follow."""
        if self._own:
            return
        for delivery_id in self._recovered:
            self._step(delivery_id, DeliveryState.COMPLETED, "transcript")
        self._recovered.clear()

    def _retrying(self, fact: Retrying) -> None:
        state = SessionState.RATE_LIMITED if fact.status == 429 else SessionState.WORKING  # noqa: PLR2004 - HTTP
        detail = (
            f"the API answered {fact.status or fact.error}; attempt {fact.attempt} in {fact.seconds:.0f} s"
        )
        self._change(state, detail)

    def _look_for_idleness(self) -> None:
        if self._turn is None or self._receipts or self._own:
            return
        turn, self._turn = self._turn, None
        denied, self._denied = self._denied, ()
        self._crashes.clear()
        self._report()
        self._change(SessionState.READY)
        ended = TurnEnded(
            agent=self._agent, text=turn.text, error=turn.error, denied=denied, cost_usd=turn.cost_usd
        )
        self.context.system.handle(ROUTER).tell(ended)

    # ------------------------------------------------------------ the process

    def _spawn(self) -> None:
        """Start claude in its conversation, and give it all that isn't over."""
        if self._session_id is None:
            return
        try:
            if self._lock is None:
                self._lock = SessionLock(self._settings.files / f"{self._session_id}.lock")
            reap(self._session_id, ORPHAN_SECONDS)
            self._start_process(self._session_id)
        except (PromptError, SessionTakenError, OSError) as error:
            self._change(SessionState.BLOCKED, str(error))
            return
        if self._process is None:
            return
        for item in self._receipts.all():
            self._hand_over(item)
        self._continue_turn(was_cut_off=not self._conversation.is_answered)

    def _start_process(self, session_id: str) -> None:
        transcript = self._find_transcript()
        self._conversation = read_transcript(transcript)
        resume = transcript is not None and not self._force_new
        arguments = command_line(
            self._settings, self._agent, session_id, resume=resume, write=write_atomically
        )
        self._epoch = next(EPOCHS)
        self._turn, self._denied = None, ()
        self._end_retry()
        self._own.clear()
        self._recovered.clear()
        epoch = self._epoch
        self._process = ClaudeProcess(
            arguments,
            environment=self._settings.environment,
            directory=self._settings.directory,
            pipe=self._settings.pipe(self._agent),
            errors=self._settings.files / f"{self._agent}.stderr",
            session_id=session_id,
            on_lines=lambda lines: self._on_lines(epoch, lines),
            on_written=lambda tag: self.handle.tell(Written(epoch=epoch, delivery_id=tag)),
            on_exit=lambda code, noise: self.handle.tell(Exited(epoch=epoch, code=code, noise=noise)),
        )
        state = SessionState.RESUMING if resume else SessionState.STARTING
        self._watch_silence(self._settings.silence_seconds)
        log.info("session_started", agent=self._agent, pid=self._process.pid, resume=resume)
        self._change(state)

    def _on_lines(self, epoch: int, lines: list[bytes]) -> None:
        """In the reading thread."""
        facts = tuple(fact for line in lines if (fact := parse_line(line)) is not None)
        if not facts:
            return
        while not self.handle.wait_for_room(ROOM, timeout=ROOM_SECONDS):
            if self._epoch != epoch:
                return  # nobody will read it
        self.handle.tell(StreamRead(epoch=epoch, facts=facts))

    def _continue_turn(self, *, was_cut_off: bool = False) -> None:
        """Where contexts had arrived before the process began: end their turn, if it was cut off."""
        if self._own or not (self._recovered or was_cut_off):
            return
        if self._conversation.is_answered:
            self._finish_recovered()
            self._turn = TurnOver(text=self._conversation.last_text)
            self._look_for_idleness()
            return
        uuid = str(uuid4())
        self._own.add(uuid)
        if self._process is not None:
            self._outbox.append((uuid, user_message(uuid, CONTINUE)))

    def _exited(self, code: int, noise: str) -> None:
        """It ended and nobody had asked for it: resume it, unless it does so again and again."""
        self._process = None
        self._outbox.clear()
        self._end_retry()
        self._own.clear()
        for timer in filter(None, (self._timer, self._silence)):
            timer.cancel()  # nothing is owed any more: all of it will be written again
        self._timer = None
        reap(self._session_id or "", 0.0)  # tools outlive a claude that was killed
        self._force_new = "No conversation found" in noise
        detail = f"claude ended by itself with {describe_exit(code)}" + (f": {noise[-500:]}" if noise else "")
        log.warning("session_crashed", agent=self._agent, code=code, noise=noise[-500:])
        if self._crashes.add(time.monotonic()):
            self._change(SessionState.BLOCKED, f"{detail}; it crashed {len(self._crashes)} times in a row")
            return
        self._change(SessionState.CRASHED, detail)
        self.tell_later(self._crashes.delay(), Respawn(epoch=self._epoch))

    def _watch_silence(self, seconds: float) -> None:
        self._silence = self.tell_later(seconds, SilenceDue(epoch=self._epoch))

    def _look_after_silence(self) -> None:
        """A claude that says nothing for so long, though something is to be done, hangs: it is ended, and resumed."""
        if self._process is None:
            return
        limit = self._settings.silence_seconds
        left = self._process.heard_at + limit - time.monotonic()
        if left > 0:
            self._watch_silence(left)
        elif self._receipts or (self._own and self._retry is None):
            log.warning("session_hangs", agent=self._agent, seconds=limit)
            self._process.kill()
        else:
            self._watch_silence(limit)

    def _revive(self) -> None:
        self._crashes.clear()
        if self._process is None:
            self._change(SessionState.STARTING)
        elif self._state is SessionState.BLOCKED:
            uuid = str(uuid4())
            self._own.add(uuid)
            self._outbox.append((uuid, user_message(uuid, GO_ON)))
            self._change(SessionState.WORKING)
        self._announce()  # the router's answer starts it, if there is anything to do

    def _find_transcript(self) -> Path | None:
        return find_transcript(self._settings.environment, self._session_id or "")

    def _ask_transcript(self) -> Conversation:
        return read_transcript(self._find_transcript())

    # ------------------------------------------------------------ news for the router

    def _step(
        self,
        delivery_id: str,
        state: DeliveryState,
        receipt: str | None,
        *,
        attempts: int | None = None,
        reason: str | None = None,
    ) -> None:
        if self._receipts.move(delivery_id, state):
            step = DeliveryStep(
                delivery_id=delivery_id, state=state, receipt=receipt, attempts=attempts, reason=reason
            )
            self._steps.append(step)

    def _report(self) -> None:
        if self._steps:
            steps, self._steps = tuple(self._steps), []
            self.context.system.handle(ROUTER).tell(Progressed(agent=self._agent, steps=steps))

    def _change(self, state: SessionState, detail: str = "") -> None:
        pid = self._process.pid if self._process else None
        if (state, pid) == (self._state, self._told_pid) and not detail:
            return
        self._report()
        self._state, self._told_pid = state, pid
        change = SessionChanged(agent=self._agent, state=state, detail=detail, pid=pid)
        self.context.system.handle(ROUTER).tell(change)


def describe_exit(code: int) -> str:
    """An exit code, or the signal that ended a process, in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
