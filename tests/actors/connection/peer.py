"""The other end of a WebSocket, which a test drives step by step, so that it can misbehave in any way."""

import base64
import hashlib
import json
import socket
import struct
from typing import Any, Self

from supervisors import Backoff
from tests.actors.support import DEADLINE

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
SOON = Backoff(initial=0.01, maximum=30.0)
"""Try again almost at once."""


def frame(data: bytes, opcode: int = TEXT, *, final: bool = True) -> bytes:
    """Return one frame as a server sends it."""
    head = bytes([final << 7 | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 1 << 16:
        return head + b"\x7e" + struct.pack("!H", len(data)) + data
    return head + b"\x7f" + struct.pack("!Q", len(data)) + data


class Peer:
    """One accepted connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        self.socket = connection
        self._file = connection.makefile("rb")
        self.headers: dict[str, str] = {}
        self.request = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_request(self) -> None:
        """Read the HTTP request, up to its empty line."""
        self.request = self._file.readline().decode().strip()
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def shake_hands(self) -> Self:
        """Open the WebSocket."""
        self.read_request()
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.socket.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        return self

    def answer(self, status: str, *headers: str) -> None:
        """Answer the request with this HTTP status, and hang up."""
        self.read_request()
        lines = [f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        self.close()

    def send(self, message: object) -> None:
        """Send a message as JSON."""
        self.socket.sendall(frame(json.dumps(message).encode()))

    def receive(self) -> tuple[int, bytes]:
        """Receive the client's next frame; return its opcode and its data."""
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self._read(2))
        elif length == 127:
            length = int.from_bytes(self._read(8))
        assert second & 0x80, "a client masks what it sends"
        mask = self._read(4)
        data = self._read(length)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))

    def receive_json(self) -> Any:
        """Receive the client's next text message."""
        opcode, data = self.receive()
        assert opcode == TEXT
        return json.loads(data)

    def at_end(self) -> bool:
        """Read the rest of the client's frames; return whether the client has hung up after them."""
        try:
            while self._file.read(4096):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        """Hang up without a close frame."""
        self._file.close()
        self.socket.close()

    def _read(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise ConnectionError("the client hung up")
        return data


class Listener:
    """A port that accepts connections when the test says so."""

    def __init__(self, port: int = 0, backlog: int = 16) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=backlog)
        self._socket.settimeout(DEADLINE)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/ws"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def accept(self) -> Peer:
        """Accept the next connection, without a handshake."""
        return Peer(self._socket.accept()[0])

    def open(self) -> Peer:
        """Accept the next connection, and shake hands."""
        return self.accept().shake_hands()
