"""The receiving half of RFC 6455: bytes in, whole messages out, without input or output of its own.

websocket-client connects and sends. It doesn't limit the size of messages, and reads a frame in four calls;
this module takes all bytes of one ``recv``, and never keeps more than one message of at most ``limit`` bytes.
"""

from collections.abc import Iterator
from typing import NamedTuple

MAX_MESSAGE = 16 * 1024 * 1024
"""The longest message in either direction, in bytes."""

_FINAL, _RESERVED, _OPCODE, _CONTROL, _LENGTH, _MASKED = 0x80, 0x70, 0x0F, 0x08, 0x7F, 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG)
_LONGEST_CONTROL = 125
_HEAD = 4096


class ProtocolError(Exception):
    """The peer violates the protocol; the connection can't be used any more."""


class WholeMessage(NamedTuple):
    """A whole text or binary message."""

    data: bytes


class OversizedMessage(NamedTuple):
    """A message over the limit, which wasn't kept: its beginning, and its size in bytes."""

    head: bytes
    size: int


class PingFrame(NamedTuple):
    """A ping, to be answered by a pong with the same data."""

    data: bytes


class PongFrame(NamedTuple):
    """An answer to a ping."""

    data: bytes


class CloseFrame(NamedTuple):
    """The peer's last frame.

    Attributes:
        code: The status code; 1005 if it gave none.
        reason: The reason in words.
    """

    code: int
    reason: str


Item = WholeMessage | OversizedMessage | PingFrame | PongFrame | CloseFrame


class FrameDecoder:
    """Puts messages together from the bytes of one connection.

    Args:
        limit: The longest message that is kept, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._needed = 2  # bytes before it is worth parsing again
        self._skipping: int | None = None  # bytes of the present frame that are still to be dropped
        self._parts: bytearray | None = None  # of a message whose last frame is not here yet
        self._size = 0  # of the present message, dropped bytes included
        self._final = False  # whether the frame that is being skipped ends its message

    def feed(self, data: bytes) -> Iterator[Item]:
        """Add received bytes, and yield the messages and control frames that are complete now.

        Raises:
            ProtocolError: The peer violates the protocol; raised after everything before it was yielded.
        """
        self._buffer += data
        return self._complete()

    def _complete(self) -> Iterator[Item]:
        items: list[Item] = []
        position, begin = 0, -1
        try:
            while position != begin:
                begin = position
                position = self._step(position, items)
                yield from items
                items.clear()
        finally:
            del self._buffer[:position]

    def _step(self, position: int, items: list[Item]) -> int:
        """Read as much of one frame as there is; return the position behind it."""
        if self._skipping is not None:
            return self._skip(position, self._skipping, items)
        if len(self._buffer) - position >= self._needed:
            return self._frame(position, items)
        return position

    def _frame(self, position: int, items: list[Item]) -> int:
        """Read the frame at this position, if it is complete; return the position behind it."""
        buffer = self._buffer
        first, second = buffer[position], buffer[position + 1]
        length, begin = second & _LENGTH, position + 2
        if length > _LONGEST_CONTROL:
            begin += 2 if length == _LONGEST_CONTROL + 1 else 8
            if len(buffer) < begin:
                return self._wait(begin - position, position)
            length = int.from_bytes(buffer[position + 2 : begin])
        self._check(first, second, length)
        if not first & _CONTROL and self._size + length > self._limit:
            return self._begin_skipping(first, length, begin, items)
        if len(buffer) < begin + length:
            return self._wait(begin + length - position, position)
        self._needed = 2
        self._take(first, bytes(memoryview(buffer)[begin : begin + length]), items)
        return begin + length

    def _wait(self, needed: int, position: int) -> int:
        self._needed = needed
        return position

    def _check(self, first: int, second: int, length: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED or second & _MASKED or opcode not in _KNOWN or length >> 63:
            raise ProtocolError("a frame that the protocol does not allow")
        if opcode & _CONTROL and (length > _LONGEST_CONTROL or not first & _FINAL):
            raise ProtocolError("a control frame that is too long or in parts")
        if not opcode & _CONTROL and (opcode == _CONTINUATION) != (self._parts is not None):
            raise ProtocolError("a message within another, or the rest of none")

    def _take(self, first: int, payload: bytes, items: list[Item]) -> None:
        opcode = first & _OPCODE
        if opcode & _CONTROL:
            items.append(_control(opcode, payload))
        elif self._parts is None and first & _FINAL:
            items.append(WholeMessage(payload))
        else:
            self._add(payload, final=bool(first & _FINAL), items=items)

    def _add(self, payload: bytes, *, final: bool, items: list[Item]) -> None:
        if self._parts is None:
            self._parts = bytearray()
        self._parts += payload
        self._size += len(payload)
        if final:
            self._finish(items)

    def _begin_skipping(self, first: int, length: int, begin: int, items: list[Item]) -> int:
        if self._parts is None:
            self._parts = bytearray()
        del self._parts[_HEAD:]
        self._size += length
        self._final, self._needed = bool(first & _FINAL), 2
        return self._skip(begin, length, items)

    def _skip(self, position: int, missing: int, items: list[Item]) -> int:
        here = min(missing, len(self._buffer) - position)
        if self._parts is not None and len(self._parts) < _HEAD:
            wanted = min(here, _HEAD - len(self._parts))
            self._parts += self._buffer[position : position + wanted]
        self._skipping = missing - here or None
        if self._skipping is None and self._final:
            self._finish(items)
        return position + here

    def _finish(self, items: list[Item]) -> None:
        data, size = bytes(self._parts or b""), self._size
        self._parts, self._size = None, 0
        items.append(WholeMessage(data) if size <= self._limit else OversizedMessage(data, size))


def _control(opcode: int, payload: bytes) -> Item:
    if opcode == _PING:
        return PingFrame(payload)
    if opcode == _PONG:
        return PongFrame(payload)
    if len(payload) == 1:
        raise ProtocolError("a close frame with half a code")
    code = int.from_bytes(payload[:2]) if payload else 1005
    return CloseFrame(code, payload[2:].decode("utf-8", "replace"))
