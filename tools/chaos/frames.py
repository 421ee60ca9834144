"""A splitter of a WebSocket connection's byte stream into frames (RFC 6455), in either direction."""

from collections.abc import Iterator
from typing import NamedTuple

TEXT, CLOSE = 1, 8


class Piece(NamedTuple):
    """A unit of the stream: the handshake, or one frame.

    Attributes:
        is_message: True for a frame that is a whole message, which can be duplicated.
    """

    data: bytes
    is_message: bool


class Splitter:
    """Splits a byte stream into pieces."""

    def __init__(self) -> None:
        self._data = b""
        self._is_open = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Add bytes, and yield the pieces that they complete."""
        self._data += data
        if not self._is_open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._is_open, self._data = True, rest
            yield Piece(head + end, is_message=False)
        while size := _frame_size(self._data):
            frame, self._data = self._data[:size], self._data[size:]
            yield Piece(frame, is_message=frame[0] == 0x80 | TEXT)


def _frame_size(data: bytes) -> int:
    """Return the length of the frame at the beginning of these bytes; 0 while it is incomplete."""
    if len(data) < 2:  # noqa: PLR2004 - flags and length
        return 0
    length, head = data[1] & 0x7F, 2
    if length == 126:  # noqa: PLR2004 - two bytes of length follow
        length, head = int.from_bytes(data[2:4], "big"), 4
    elif length == 127:  # noqa: PLR2004 - eight bytes follow
        length, head = int.from_bytes(data[2:10], "big"), 10
    size = head + (4 if data[1] & 0x80 else 0) + length
    return size if len(data) >= max(size, head) else 0
