"""How many messages may wait, so that their bytes are bounded too."""

from collections import deque


class Backpressure:
    """Bounds what waits between one who adds messages and one who takes them, in order.

    What still waits are the newest messages; so as many may wait as there are newest ones that fit together.

    Args:
        messages: At most so many may wait.
        size: And no more bytes than these, and one message.
    """

    def __init__(self, messages: int, size: int) -> None:
        self._messages, self._size = messages, size
        self._newest = deque([0] * messages)  # their sizes: as many as fit
        self._bytes = 0

    def add(self, size: int) -> None:
        """A message of so many bytes is added."""
        self._newest.append(size)
        self._bytes += size
        while len(self._newest) > self._messages or self._bytes > self._size:
            self._bytes -= self._newest.popleft()

    @property
    def limit(self) -> int:
        """There is capacity for the next message while fewer than these wait."""
        return max(1, len(self._newest))
