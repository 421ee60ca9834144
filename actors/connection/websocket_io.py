"""An open WebSocket: one thread receives, any thread sends."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator

import websocket

from actors.connection.frames import MAX_MESSAGE, FrameDecoder, Item

_CHUNK = 64 * 1024
_NORMAL, _GOING_AWAY = 1000, 1001


class WebSocketIO:
    """Wraps the library's WebSocket after the handshake.

    Args:
        opened: The library's WebSocket, to send with; its timeout is that of each send.
        raw: The socket of that, to receive from.
    """

    def __init__(self, opened: websocket.WebSocket, raw: socket.socket) -> None:
        self._websocket = opened
        self._socket = raw
        self._decoder = FrameDecoder(MAX_MESSAGE)
        self._poll = select.poll()
        self._poll.register(raw, select.POLLIN)
        # OpenSSL does not read and write one connection at once; where there is no TLS nothing is shared.
        self._turn = threading.Lock()
        if isinstance(raw, ssl.SSLSocket):
            opened.lock = self._turn

    def receive(self, seconds: float) -> Iterator[Item] | None:
        """Wait for bytes; return the messages that they complete, perhaps none, or None if no bytes came in time.

        Raises:
            ConnectionError: The peer hung up.
            OSError: The connection broke.
            ProtocolError: The peer violates the protocol; raised by the iterator, after the last complete message.
        """
        if not self._readable(seconds):
            return None
        data = self._read()
        if data == b"":
            raise ConnectionError("it hung up without a close frame")
        return self._decoder.feed(data or b"")

    def send(self, message: bytes) -> None:
        """Send one text message.

        Raises:
            OSError, WebSocketException: It could not be sent completely; the connection can't be used any more.
        """
        self._websocket.send(message, websocket.ABNF.OPCODE_TEXT)

    def ping(self) -> None:
        """Send a ping; raise as ``send`` does."""
        self._websocket.ping()

    def pong(self, data: bytes) -> None:
        """Send a pong; raise as ``send`` does."""
        self._websocket.pong(data)

    def say_goodbye(self, *, answer: bool, seconds: float = 0.2) -> None:
        """Send a close frame within this time, unasked or as the answer to the peer's; failures are ignored."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self._websocket.settimeout(seconds)
            if self._is_free(seconds):
                self._websocket.send_close(_NORMAL if answer else _GOING_AWAY)

    def _is_free(self, seconds: float) -> bool:
        """Return whether no send is stuck; otherwise the peer wouldn't read a close frame either."""
        free: bool = self._websocket.lock.acquire(timeout=seconds)
        if free:
            self._websocket.lock.release()
        return free

    def _readable(self, seconds: float) -> bool:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(self._poll.poll(seconds * 1000))

    def _read(self) -> bytes | None:
        """Return the bytes that are there; None if they belonged to TLS itself."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return self._socket.recv(_CHUNK)
        with self._turn:
            timeout = self._socket.gettimeout()
            self._socket.settimeout(0)
            try:
                return self._socket.recv(_CHUNK)
            except ssl.SSLWantReadError:
                return None
            finally:
                self._socket.settimeout(timeout)
