"""Rejected input, folded by kind: a backend that sends junk fills neither the journal nor the log."""

from actors.lib.text import skeleton
from actors.protocol.backend import InputRejected

KINDS = 100
"""The number of kinds that are told apart; the rest is one kind."""
KEPT = 4096
"""Bytes of a rejected message that are kept."""
_ANY_OTHER = ""


class Rejections:
    """The rejected messages of one socket: the first of a kind is told, and the rest are counted.

    Two are of a kind if their reasons differ in numbers and quotations only.
    """

    def __init__(self) -> None:
        self._repeated: dict[str, InputRejected | None] = {}

    def add(self, reason: str, head: bytes, size: int) -> InputRejected | None:
        """Return the rejection if it is the first of its kind, else count it."""
        kind = skeleton(reason)
        if kind not in self._repeated and len(self._repeated) >= KINDS:
            kind = _ANY_OTHER
        if kind not in self._repeated:
            self._repeated[kind] = None
            return InputRejected(origin="socket", reason=reason, raw=head[:KEPT], size=size)
        earlier = self._repeated[kind]
        count = 1 if earlier is None else earlier.count + 1
        self._repeated[kind] = InputRejected(
            origin="socket", reason=reason, raw=head[:KEPT], size=size, count=count
        )
        return None

    def take_repeated(self) -> list[InputRejected]:
        """Return those that were counted since the last call: the latest of each kind, with its count."""
        repeated = [each for each in self._repeated.values() if each is not None]
        self._repeated = dict.fromkeys(self._repeated)
        return repeated
