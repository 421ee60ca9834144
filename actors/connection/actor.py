"""The actor that owns the connection to the backend: it turns messages into events, and sends publications.

The socket lives in a thread of ``BackendClient``, which only tells. Each of its messages carries the epoch of its
connection. Control messages of an earlier connection are dropped; events count whichever connection brought them.
"""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Literal, NamedTuple, assert_never

import orjson
import structlog

from actors.connection.backpressure import Backpressure
from actors.connection.client import (
    BackendClient,
    Epoch,
    MessageReceived,
    MessageSkipped,
    SocketClosed,
    SocketConnecting,
    SocketEvent,
    SocketFailed,
    SocketOpened,
    TokenReader,
)
from actors.connection.dialects.parsed import Ack, AnyControl, Live, Nack, Pong, Subscribed, Welcome
from actors.connection.dialects.registry import Translator
from actors.connection.frames import MAX_MESSAGE
from actors.connection.handshake import Address, check_token
from actors.connection.publication_gate import PublicationGate
from actors.connection.rejections import Rejections
from actors.lib.backoff import Retries, uniform
from actors.lib.failpoints import failpoint
from actors.lib.program import command
from actors.lib.urls import redact, secrets_in
from actors.protocol.backend import (
    BackendChanged,
    BackendOpened,
    ConnectNow,
    EventReceived,
    PublicationConfirmed,
    PublicationRefused,
    PublicationSent,
    Publish,
    ReplayChanged,
    ResendPublications,
    Resume,
)
from actors.protocol.names import ROUTER
from actors.protocol.router import RouterStarted, ToConnection
from supervisors import Actor, ActorContext, Backoff

BACKOFF = Backoff(initial=1.0, maximum=30.0)
"""The pauses between attempts to connect; jitter keeps many clients of one backend from coming back together."""
CHANNELS = ["tasks", "subtasks", "agents"]

_MESSAGES, _BYTES = 10_000, 32 * 1024 * 1024
"""The messages and bytes that may wait, here and at the router, before the socket isn't read any more."""
_UNKNOWN = Welcome(type="welcome")
"""The welcome that is assumed of a backend that sends none."""
_COUNT_SECONDS = 1.0
"""The time that rejected messages of known kinds are counted before the router is told."""
_PASSING = {"unavailable", "busy", "overloaded", "rate_limited"}
"""Codes of a refusal that may pass; after any other code a publication is never tried again."""

_log = structlog.stdlib.get_logger(__name__)


class _Phase(Enum):
    """The phase of a connection's life."""

    CLOSED = "closed"
    GREETING = "greeting"
    """Open, and waiting for the backend's welcome."""
    READY = "ready"


class _WelcomeOverdue(NamedTuple):
    """The time is over in which a backend may send its welcome."""

    epoch: Epoch


class _TrialDue(NamedTuple):
    """The pause is over after which publishing is tried again."""


class _CountDue(NamedTuple):
    """The time is over in which rejected messages are counted."""


_Message = ToConnection | SocketEvent | _WelcomeOverdue | _TrialDue | _CountDue
"""Every message to the connection: from the router, the socket's thread, and its own timers."""


class ConnectionActor(Actor):
    """The link between the router and the backend: events come in, publications and subscriptions go out.

    It writes in the dialect that the backend speaks (see ``Translator``). A publication that can't go out is not kept
    here: it waits in the journal, and the router resends it after ``BackendOpened`` or ``ResendPublications``.

    Args:
        context: The actor's context.
        url: The URL of the backend's WebSocket.
        door: See ``Address``.
        token: Its bearer token, or a function that reads it before each attempt to connect.
        ping_seconds: Ping after so many seconds of silence.
        max_reconnect_attempts: Give up after so many failed attempts in a row, until a ``ConnectNow`` (0: never).
        welcome_seconds: How long to wait for the backend's welcome.
        step_seconds: How long each step of connecting, and each send, may take.
        backoff: The pauses before a connection, or a publication that was refused for now, is tried again.
        jitter: See ``Retries``.

    Raises:
        ConfigurationError: The URL or the token can't be used.
    """

    def __init__(
        self,
        context: ActorContext,
        *,
        url: str,
        door: Path | None = None,
        token: str | TokenReader | None = None,
        ping_seconds: float = 20.0,
        max_reconnect_attempts: int = 0,
        welcome_seconds: float = 1.0,
        step_seconds: float = 10.0,
        backoff: Backoff = BACKOFF,
        jitter: Callable[[float, float], float] = uniform,
    ) -> None:
        super().__init__(context)
        self._router = context.system.handle(ROUTER)
        self._address = Address(url, door)
        self._secrets = secrets_in(url)
        self._token: str | None = None
        self._welcome_seconds = welcome_seconds
        self._epoch: Epoch | None = None
        self._phase = _Phase.CLOSED
        self._welcome = _UNKNOWN
        self._translator = Translator()
        self._rejections = Rejections()
        self._is_counting = False
        self._gate = PublicationGate(Retries(backoff, jitter=jitter))
        self._state = BackendChanged(state="closed")
        self._backpressure = Backpressure(_MESSAGES, _BYTES)  # the socket's thread's own
        if not callable(token):
            check_token(token)
        self._token_reader = token if callable(token) else lambda: token
        self._client = BackendClient(
            self._address,
            self._read_token,
            incarnation=context.incarnation,
            on_event=self._hear,
            wait_for_capacity=self._wait_for_capacity,
            retries=Retries(backoff, limit=max_reconnect_attempts, jitter=jitter),
            ping_seconds=ping_seconds,
            step_seconds=step_seconds,
        )

    def _read_token(self) -> str | None:
        self._token = self._token_reader()
        return self._token

    def _redact(self, text: str) -> str:
        """Remove our secrets from a text: the peer's words may quote what we sent it."""
        return redact(text, (*self._secrets, *([self._token] if self._token else ())))

    def on_start(self) -> None:
        """Begin to connect; a backend that is down doesn't fail the start."""
        self._client.start()

    def on_exit(self, reason: BaseException | None) -> None:  # noqa: ARG002 - it closes in either case
        """Close the connection."""
        self._tell_counts()
        if not self._client.close():
            _log.warning("backend_socket_abandoned", backend=self._address.display)

    def on_receive(self, message: _Message) -> None:
        """Handle one message."""
        match message:
            case MessageReceived():
                self._read(message)
            case MessageSkipped():
                self._reject(f"longer than {MAX_MESSAGE} bytes", message.head, message.size)
            case SocketConnecting() | SocketOpened() | SocketClosed() | SocketFailed():
                self._follow(message)
            case Publish():
                self._publish(message)
            case Resume():
                self._subscribe(message)
            case RouterStarted():
                self._announce()
            case ConnectNow():
                self._client.try_now()
            case _WelcomeOverdue():
                self._greet_anyway(message.epoch)
            case _TrialDue():
                self._try_again()
            case _CountDue():
                self._tell_counts()
            case _:
                assert_never(message)

    def _follow(self, event: SocketConnecting | SocketOpened | SocketClosed | SocketFailed) -> None:
        if event.epoch.incarnation != self.context.incarnation:
            return  # of a predecessor's socket
        self._epoch = event.epoch
        match event:
            case SocketConnecting():
                self._change("connecting", self._address.display)
            case SocketOpened():
                self._phase = _Phase.GREETING
                self._change("open", self._address.display)
                self.tell_later(self._welcome_seconds, _WelcomeOverdue(event.epoch))
            case SocketClosed():
                self._phase = _Phase.CLOSED
                self._closed(event)
            case SocketFailed():
                raise event.error
            case _:
                assert_never(event)

    def _closed(self, event: SocketClosed) -> None:
        if event.retry_in is None:
            self._change(
                "given_up", f"{event.reason}; no further attempts until `{command('retry', 'backend')}`"
            )
        else:
            state: Literal["refused", "closed"] = "refused" if event.refused else "closed"
            self._change(state, f"{event.reason}; next attempt in {event.retry_in:.1f} s")

    def _read(self, message: MessageReceived) -> None:
        """Read one message.

        An event is passed on whichever connection brought it, since a backend without replay sends it only once.
        Everything else counts only for the connection that it came from.
        """
        parsed = self._translator.read(message.data)
        present = message.epoch == self._epoch
        if present and self._phase is _Phase.GREETING and not isinstance(parsed.control, Welcome):
            self._greet(_UNKNOWN)
        if parsed.problems:
            self._reject("; ".join(parsed.problems), message.data, len(message.data))
        if parsed.event is not None:
            failpoint("connection.event.before")
            self._router.tell(EventReceived(event=parsed.event))
            failpoint("connection.event.after")
        elif present:
            self._control(parsed.control)

    def _control(self, control: AnyControl | None) -> None:
        match control:
            case Welcome():
                self._greet(control)
            case Ack():
                self._settle(PublicationConfirmed(key=control.id))
            case Nack(code=code) if code in _PASSING and self._welcome.acks:
                self._hold_back(control)
            case Nack():
                reason = self._redact(f"{control.code}: {control.error}")
                self._settle(PublicationRefused(key=control.id, reason=reason))
            case Subscribed(live=False):
                self._router.tell(ReplayChanged(running=True))
            case Live():
                self._router.tell(ReplayChanged(running=False))
            case Subscribed() | Pong() | None:
                pass
            case _:
                assert_never(control)

    def _settle(self, answer: PublicationConfirmed | PublicationRefused) -> None:
        self._router.tell(answer)
        if self._gate.open():
            _log.info("publishing_again")
            self._router.tell(ResendPublications())

    def _hold_back(self, refusal: Nack) -> None:
        """Pause publishing: this publication and all others wait in the journal until the pause is over."""
        seconds = self._gate.shut(refusal.id)
        if seconds is not None:
            reason = self._redact(refusal.error)
            _log.warning("publishing_paused", code=refusal.code, reason=reason, retry_in=seconds)
            self.tell_later(seconds, _TrialDue())

    def _try_again(self) -> None:
        if self._gate.pauses and self._phase is _Phase.READY:
            self._gate.admit_one()
            self._router.tell(ResendPublications())

    def _greet_anyway(self, epoch: Epoch) -> None:
        if epoch == self._epoch and self._phase is _Phase.GREETING:
            self._greet(_UNKNOWN)

    def _greet(self, welcome: Welcome) -> None:
        """Tell the router that the backend is ready; tell it again where a welcome comes after the time for it."""
        if self._phase is _Phase.GREETING or welcome != self._welcome:
            self._phase, self._welcome = _Phase.READY, welcome
            self._tell_opened()

    def _announce(self) -> None:
        self._router.tell(self._state)
        if self._phase is _Phase.READY:
            self._tell_opened()

    def _tell_opened(self) -> None:
        self._gate.admit_one()
        instance, acks = self._welcome.instance, self._welcome.acks
        self._router.tell(BackendOpened(instance=instance, acks=acks, connection=self._epoch))

    def _subscribe(self, resume: Resume) -> None:
        if self._phase is not _Phase.READY or resume.connection not in (None, self._epoch):
            return
        since = {} if resume.since is None else {"since": resume.since}
        self._client.send(orjson.dumps({"type": "subscribe", "channels": CHANNELS, **since}))

    def _publish(self, publication: Publish) -> None:
        """Send a publication if the backend may take it now; the router resends it otherwise."""
        if self._phase is not _Phase.READY:
            return
        try:
            message = self._translator.write(publication)
        except ValueError as error:
            self._router.tell(PublicationRefused(key=publication.key, reason=str(error)))
            return
        if self._welcome.acks and not self._gate.passes(publication.key):
            return
        failpoint("connection.publish.before")
        sent = self._client.send(message)
        failpoint("connection.publish.after")
        if sent and not self._welcome.acks:
            self._router.tell(PublicationSent(key=publication.key))

    def _reject(self, reason: str, head: bytes, size: int) -> None:
        """Tell the router of input that can't be used: at once of the first of a kind, later how many followed."""
        first = self._rejections.add(reason, head, size)
        if first is not None:
            _log.warning("input_rejected", reason=reason, size=size, next=command("rejected"))
            self._router.tell(first)
        elif not self._is_counting:
            self._is_counting = True
            self.tell_later(_COUNT_SECONDS, _CountDue())

    def _tell_counts(self) -> None:
        self._is_counting = False
        for repeated in self._rejections.take_repeated():
            self._router.tell(repeated)

    def _change(
        self, state: Literal["connecting", "open", "closed", "refused", "given_up"], detail: str
    ) -> None:
        detail = self._redact(detail)
        log = _log.warning if state in ("refused", "given_up") else _log.info
        log("backend_changed", state=state, detail=detail)
        self._state = BackendChanged(state=state, detail=detail)
        self._router.tell(self._state)

    # ---------------------------------------------------------------- in the socket's thread

    def _hear(self, event: SocketEvent) -> None:
        if isinstance(event, MessageReceived):
            self._backpressure.add(len(event.data))
        self.handle.tell(event)

    def _wait_for_capacity(self, seconds: float) -> bool:
        limit = self._backpressure.limit
        return self.handle.wait_for_room(limit, seconds) and self._router.wait_for_room(limit, seconds)
