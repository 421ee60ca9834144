"""The opening handshake of the WebSocket, whose errors are plain words for a person."""

import contextlib
import errno
import os
import select
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import websocket

from actors.connection.answer import AnswerTooLongError, BoundedAnswer
from actors.connection.proxy import Proxy, ProxyError, find_proxy
from actors.connection.websocket_io import WebSocketIO
from actors.lib.errors import ConfigurationError, CoordinatorError
from serving import OtherUserError, connect_private

_REFUSED = {401: "the token is missing or wrong", 403: "the token is missing, wrong or not allowed here"}
_FAULTS = {
    404: "there is nothing at this path",
    429: "it has too many requests",
    502: "a proxy can't reach it",
    503: "it is not available",
}

_NO_SERVER = "what answers is no WebSocket server"
_WORDS: dict[type[Exception], str] = {
    ConnectionRefusedError: "nothing listens at {host}:{port}",
    TimeoutError: "no answer within {timeout:g} s",
    websocket.WebSocketTimeoutException: "no answer within {timeout:g} s",
    AnswerTooLongError: "its answer is longer than any WebSocket server's",
    socket.gaierror: "the host name {host!r} can't be resolved",
    websocket.WebSocketConnectionClosedException: "it hung up during the handshake",
}


class Address:
    """The backend's address. ``display`` is safe to log: it lacks user, password and query, which may hold a token.

    Args:
        url: The URL of its WebSocket.
        door: A Unix socket of our own user's to reach it by, instead of the URL's host and port.

    Raises:
        ConfigurationError: The URL isn't a WebSocket's.
    """

    def __init__(self, url: str, door: Path | None = None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ConfigurationError("the backend's URL can't be read") from None
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConfigurationError("the backend's URL must look like ws://host:port/path or wss://…")
        self.url = url
        self.door = door
        self.secure = parts.scheme == "wss"
        self.host = parts.hostname
        self.port = port or (443 if self.secure else 80)
        self.display = f"{parts.scheme}://{self.host}:{self.port}{parts.path}"


class HandshakeError(CoordinatorError):
    """The connection could not be opened.

    Attributes:
        reason: Why, for a person.
        refused: True where the backend answered with a refusal; trying again soon won't help.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class Handshake:
    """One attempt to connect, through a proxy where the environment names one, which another thread can cut short.

    Args:
        address: The backend's address.
        token: The bearer token, sent in the ``Authorization`` header.
        timeout: Seconds for each step, and later for each send.

    Raises:
        ConfigurationError: The token can't be sent.
    """

    def __init__(self, address: Address, token: str | None, timeout: float) -> None:
        check_token(token)
        self._address = address
        self._headers = [f"Authorization: Bearer {token}"] if token else []
        self._timeout = timeout
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self._woken, self._waker = socket.socketpair()

    def open(self) -> WebSocketIO:
        """Connect, with TLS where the URL wants it, and shake hands.

        Raises:
            HandshakeError: The connection can't be opened; nothing is left open.
        """
        try:
            return self._open()
        except HandshakeError:
            self.hang_up()
            raise
        except ProxyError as error:
            self.hang_up()
            raise HandshakeError(str(error)) from error
        except Exception as error:  # the library may raise anything over a peer's answer
            self.hang_up()
            raise _explained(error, self._address, self._timeout) from error

    def cut(self) -> None:
        """Interrupt it from another thread: whatever blocks in it fails. The thread that opened it must hang up."""
        with self._lock:
            if self._cut:
                return
            self._cut = True
            self._waker.send(b"!")
            if self._socket is not None:
                _shut(self._socket)

    def hang_up(self) -> None:
        """Close the socket."""
        with self._lock:
            self._cut = True
            for opened in (self._woken, self._waker, self._socket):
                if opened is not None:
                    opened.close()

    def _open(self) -> WebSocketIO:
        plain = self._connect_to_peer()
        ready = self._secure(plain) if self._address.secure else plain
        ws = websocket.WebSocket(skip_utf8_validation=True)
        ws.settimeout(self._timeout)
        # No redirects: the token is for this backend only.
        ws.connect(  # type: ignore[no-untyped-call]  # the library has no annotation here
            self._address.url,
            socket=BoundedAnswer(ready, self._timeout),
            header=self._headers,
            suppress_origin=True,
            redirect_limit=0,
        )
        ready.settimeout(self._timeout)
        ws.sock = ready
        return WebSocketIO(ws, ready)

    def _connect_to_peer(self) -> socket.socket:
        if self._address.door is not None:
            connected = connect_private(self._address.door, self._timeout)
            self._hold(connected)
            return connected
        proxy = find_proxy(self._address.host, secure=self._address.secure)
        return self._connect(self._address.host, self._address.port) if proxy is None else self._tunnel(proxy)

    def _tunnel(self, proxy: Proxy) -> socket.socket:
        try:
            plain = self._connect(proxy.host, proxy.port)
        except OSError as error:
            raise ProxyError(f"{proxy} can't be reached: {error.strerror or error}") from error
        proxy.tunnel(plain, self._address.host, self._address.port)
        return plain

    def _connect(self, host: str, port: int) -> socket.socket:
        failure: OSError | None = None
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            candidate = socket.socket(family, kind, protocol)
            try:
                self._reach(candidate, address)
            except OSError as error:
                candidate.close()
                failure = error
            else:
                return candidate
        raise failure or OSError("no address")

    def _reach(self, candidate: socket.socket, address: object) -> None:
        """Connect as ``connect`` does, but interruptibly: a socket that isn't connected can't be shut down."""
        candidate.settimeout(0)
        error = candidate.connect_ex(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
        if error == errno.EINPROGRESS:
            error = self._outcome(candidate)
        if error:
            raise OSError(error, os.strerror(error))
        candidate.settimeout(self._timeout)
        candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._hold(candidate)

    def _outcome(self, candidate: socket.socket) -> int:
        """Wait for the outcome of connecting; return the error number, or 0."""
        poll = select.poll()
        poll.register(candidate, select.POLLOUT)
        poll.register(self._woken, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(self._timeout * 1000)]
        if candidate.fileno() not in ready:
            return errno.ETIMEDOUT  # or cut, and the reason doesn't matter
        return candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _secure(self, plain: socket.socket) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        wrapped = context.wrap_socket(
            plain, server_hostname=self._address.host, do_handshake_on_connect=False
        )
        self._hold(wrapped)
        wrapped.do_handshake()
        return wrapped

    def _hold(self, opened: socket.socket) -> None:
        """Keep the connected socket, so that ``cut`` can shut it; close it if it was cut before."""
        with self._lock:
            if self._cut:
                opened.close()
                raise HandshakeError("closed")
            self._socket = opened


def check_token(token: str | None) -> None:
    """Check that a token can be sent in a header.

    Raises:
        ConfigurationError: It contains characters that can't.
    """
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token):
        raise ConfigurationError("the backend's token contains characters that an HTTP header can't carry")


def _shut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was not connected, or isn't any more
        # The plain method: on TLS it must not wait for the peer.
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _explained(error: Exception, address: Address, timeout: float) -> HandshakeError:
    if isinstance(error, websocket.WebSocketBadStatusException):
        status = error.status_code
        words = _REFUSED.get(status) or _FAULTS.get(status) or "it does not open a WebSocket"
        return HandshakeError(f"HTTP {status}: {words}", refused=status in _REFUSED)
    return HandshakeError(_words(error, address, timeout))


def _words(error: Exception, address: Address, timeout: float) -> str:
    """Return plain words for an error, never its own text where that may quote the peer or the URL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it ({error.reason or 'it hung up'}); is it ws:// instead of wss://?"
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words.format(host=address.host, port=address.port, timeout=timeout)
    if isinstance(error, OtherUserError):
        return str(error)
    return error.strerror if isinstance(error, OSError) and error.strerror else _NO_SERVER
