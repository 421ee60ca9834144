"""A client that keeps a WebSocket to the backend open, in a thread that only tells."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import websocket

from actors.connection.frames import (
    CloseFrame,
    Item,
    OversizedMessage,
    PingFrame,
    ProtocolError,
    WholeMessage,
)
from actors.connection.handshake import Address, Handshake, HandshakeError
from actors.connection.websocket_io import WebSocketIO
from actors.lib.backoff import Retries
from actors.lib.deadlines import SOCKET as STOP_SECONDS
from actors.lib.errors import ConfigurationError

_UNANSWERED_AT_MOST = 2
_POLICY_VIOLATION, _RESTARTS, _TRY_LATER = 1008, 1012, 1013
_CLOSING_WORDS = {
    _POLICY_VIOLATION: "it refused the connection",
    _RESTARTS: "it is restarting",
    _TRY_LATER: "we were too slow",
}


TokenReader = Callable[[], str | None]
"""Returns the backend's bearer token, or raises an ``OSError`` where it can't be read."""


class Epoch(NamedTuple):
    """The number of a connection; each event of the socket carries the one that it belongs to.

    Attributes:
        incarnation: The incarnation of the actor that owns the socket.
        number: The number of the attempt to connect, from 1.
    """

    incarnation: int
    number: int


class SocketConnecting(NamedTuple):
    """An attempt to connect begins."""

    epoch: Epoch


class SocketOpened(NamedTuple):
    """The connection is open: messages follow, and ``send`` works."""

    epoch: Epoch


class MessageReceived(NamedTuple):
    """A whole message came in."""

    epoch: Epoch
    data: bytes


class MessageSkipped(NamedTuple):
    """A message was too long, and is dropped but for its beginning."""

    epoch: Epoch
    head: bytes
    size: int


class SocketClosed(NamedTuple):
    """There is no connection.

    Attributes:
        reason: Why, for a person.
        refused: True where the backend answered, and refused the connection.
        retry_in: Seconds until the next attempt; None: there will be none until ``try_now``.
    """

    epoch: Epoch
    reason: str
    refused: bool
    retry_in: float | None


class SocketFailed(NamedTuple):
    """The thread has ended by a fault of its own."""

    epoch: Epoch
    error: Exception


SocketEvent = SocketConnecting | SocketOpened | MessageReceived | MessageSkipped | SocketClosed | SocketFailed


class BackendClient:
    """A client that connects, receives, and reconnects until it is closed.

    Args:
        address: The backend's address.
        read_token: Returns its bearer token, before each attempt; None: it needs none.
        incarnation: Becomes part of each epoch.
        on_event: Called in the thread with each event; must not block. Never called once
            ``close`` has returned.
        wait_for_capacity: Called in the thread before each message, with a number of seconds; waits so long until
            there is capacity for the message, and returns whether there is (if not, it is called again).
        retries: The pauses between attempts, and their number before it gives up until ``try_now``.
        ping_seconds: Ping after so many seconds of silence; two pings without any answer end the connection.
        step_seconds: How long each step of connecting, and each send, may take.

    """

    def __init__(
        self,
        address: Address,
        read_token: TokenReader,
        *,
        incarnation: int,
        on_event: Callable[[SocketEvent], None],
        wait_for_capacity: Callable[[float], bool],
        retries: Retries,
        ping_seconds: float = 20.0,
        step_seconds: float = 10.0,
    ) -> None:
        self._address, self._read_token = address, read_token
        self._on_event, self._wait_for_capacity = on_event, wait_for_capacity
        self._ping_seconds, self._step_seconds = ping_seconds, step_seconds
        self._retries = retries
        self._epoch = Epoch(incarnation, 0)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._asked = threading.Event()  # to try now, or to end
        self._handshake: Handshake | None = None
        self._io: WebSocketIO | None = None
        self._thread = threading.Thread(target=self._run, name="backend-socket", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def send(self, message: bytes) -> bool:
        """Send one text message; return whether the socket took all of it. Blocks ``step_seconds`` at most."""
        io, handshake = self._io, self._handshake
        if io is None or handshake is None:
            return False
        try:
            io.send(message)
        except (OSError, websocket.WebSocketException):
            handshake.cut()  # half a message may have gone out
            return False
        return True

    def try_now(self) -> None:
        """Connect at once, even after it has given up; do nothing while it is connected."""
        if self._io is None:
            self._asked.set()

    def close(self, timeout: float = STOP_SECONDS) -> bool:
        """Close the socket, then end the thread; return whether it ended within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._closed.set()
            self._asked.set()
            io, handshake = self._io, self._handshake
        if io is not None:
            io.say_goodbye(answer=False, seconds=timeout / 4)  # at most twice that
        if handshake is not None:
            handshake.cut()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                closed = self._connection()
                self._tell(closed)
                self._pause(closed.retry_in)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: its owner must learn that it is deaf
            self._tell(SocketFailed(self._epoch, error))

    def _pause(self, seconds: float | None) -> None:
        """Wait so many seconds (None: forever), or until ``try_now`` or ``close`` is called."""
        if self._asked.wait(seconds):
            self._asked.clear()
            self._retries.reset()

    def _connection(self) -> SocketClosed:
        """Connect once, and receive until the connection ends."""
        self._epoch = Epoch(self._epoch.incarnation, self._epoch.number + 1)
        self._tell(SocketConnecting(self._epoch))
        try:
            handshake = Handshake(self._address, self._read_token(), self._step_seconds)
        except (OSError, ConfigurationError) as error:
            self._retries.failed()
            return self._ended(f"its token can't be read: {error}")
        try:
            with self._lock:
                if self._closed.is_set():
                    return self._ended("closed")
                self._handshake = handshake
            return self._converse(handshake.open())
        except HandshakeError as failure:
            self._retries.failed()
            return self._ended(failure.reason, refused=failure.refused)
        finally:
            self._io = None
            handshake.hang_up()

    def _converse(self, io: WebSocketIO) -> SocketClosed:
        self._retries.reset()
        self._io = io
        self._tell(SocketOpened(self._epoch))
        try:
            return self._listen(io)
        except ConnectionResetError:
            return self._ended("the connection was reset")
        except (OSError, websocket.WebSocketException, ProtocolError) as error:
            return self._ended(str(error) or type(error).__name__)

    def _listen(self, io: WebSocketIO) -> SocketClosed:
        unanswered = 0
        while not self._closed.is_set():
            items = io.receive(self._ping_seconds)
            if items is not None:
                unanswered = 0
                for item in items:
                    if isinstance(item, CloseFrame):
                        io.say_goodbye(answer=True)
                        return self._dismissed(item)
                    self._take(io, item)
            elif unanswered == _UNANSWERED_AT_MOST:
                return self._ended(f"no answer to {unanswered} pings")
            else:
                unanswered += 1
                io.ping()
        return self._ended("closed")

    def _take(self, io: WebSocketIO, item: Item) -> None:
        if isinstance(item, WholeMessage):
            self._hand_on(MessageReceived(self._epoch, item.data))
        elif isinstance(item, OversizedMessage):
            self._hand_on(MessageSkipped(self._epoch, item.head, item.size))
        elif isinstance(item, PingFrame):
            io.pong(item.data)

    def _hand_on(self, event: SocketEvent) -> None:
        while not self._wait_for_capacity(0.5) and not self._closed.is_set():
            pass
        self._tell(event)

    def _dismissed(self, close: CloseFrame) -> SocketClosed:
        words = _CLOSING_WORDS.get(close.code, "it closed the connection")
        said = f", {close.reason[:100]!r}" if close.reason else ""
        return self._ended(f"{words} ({close.code}{said})", refused=close.code == _POLICY_VIOLATION)

    def _ended(self, reason: str, *, refused: bool = False) -> SocketClosed:
        delay = self._retries.longest if refused else self._retries.delay()
        return SocketClosed(self._epoch, reason, refused, None if self._retries.exhausted else delay)

    def _tell(self, event: SocketEvent) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._on_event(event)
