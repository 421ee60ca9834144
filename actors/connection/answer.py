"""The backend's answer to the handshake, which is limited in size and in time."""

import socket
import time

LONGEST = 64 * 1024
"""The longest answer: a status line, headers and the body of a refusal, in bytes."""


class AnswerTooLongError(Exception):
    """The backend's answer has more than `LONGEST` bytes."""


class BoundedAnswer:
    """A connected socket, as websocket-client uses it for the handshake, that bounds what it reads.

    The library reads headers byte by byte and has no limits, neither on their number nor on the whole time.

    Args:
        connected: The socket.
        seconds: Seconds from now until the answer must be complete.
    """

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        self._socket = connected
        self._left = LONGEST
        self._deadline = time.monotonic() + seconds

    def recv(self, size: int) -> bytes:
        """Receive so many bytes of the answer at most.

        Raises:
            AnswerTooLongError: It has had more bytes than it may have.
            TimeoutError: It isn't complete in time.
        """
        if not self._left:
            raise AnswerTooLongError
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._socket.settimeout(seconds)
        data = self._socket.recv(min(size, self._left))
        self._left -= len(data)
        return data

    def send(self, data: bytes) -> int:
        """Send bytes of the request."""
        return self._socket.send(data)

    def gettimeout(self) -> float | None:
        """Return the socket's timeout in seconds."""
        return self._socket.gettimeout()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
