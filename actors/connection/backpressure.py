"""A limit on waiting messages that bounds their bytes too."""

from collections import deque


class Backpressure:
    """Bounds the messages that wait between a producer and a consumer, by number and by bytes.

    The consumer takes messages in order and reports nothing back. So the messages that still wait are always the newest
    ones, and the limit is the number of newest messages whose sizes fit together.

    Args:
        messages: How many messages may wait at most.
        size: How many bytes they may have together; one message more than that may wait.
    """

    def __init__(self, messages: int, size: int) -> None:
        self._messages, self._size = messages, size
        self._newest = deque([0] * messages)  # the sizes of as many as fit
        self._bytes = 0

    def add(self, size: int) -> None:
        """Note that a message of so many bytes was added."""
        self._newest.append(size)
        self._bytes += size
        while len(self._newest) > self._messages or self._bytes > self._size:
            self._bytes -= self._newest.popleft()

    @property
    def limit(self) -> int:
        """The number of waiting messages below which there is capacity for the next one."""
        return max(1, len(self._newest))
