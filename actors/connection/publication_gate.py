"""Holds publications back while the backend can't take any."""

from enum import Enum, auto

from actors.lib.backoff import Retries


class _State(Enum):
    OPEN = auto()
    PAUSES = auto()
    """Nothing may go out."""
    ADMITS = auto()
    """The next one may go out, as a trial."""
    TRIES = auto()
    """It has; until it is answered for, no other may."""


class PublicationGate:
    """Open, until the backend can't take a publication for now; then one is tried after each growing pause.

    What it holds back waits in the journal, and comes again when the router is told to resend.

    Args:
        retries: How long the pauses are.
    """

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._state = _State.OPEN
        self._tried = ""

    @property
    def pauses(self) -> bool:
        """Whether the next trial waits for the end of a pause."""
        return self._state is _State.PAUSES

    def passes(self, key: str) -> bool:
        """Whether this publication may go out now."""
        if self._state is _State.ADMITS:
            self._state, self._tried = _State.TRIES, key
            return True
        return self._state is _State.OPEN

    def shut(self, key: str) -> float | None:
        """The backend can't take this one now; seconds until the next trial, or None where there will be one anyway."""
        is_trial = self._state is _State.TRIES and key == self._tried
        if self._state is not _State.OPEN and not is_trial:
            return None  # it was on its way with the first
        self._state = _State.PAUSES
        return self._retries.failed()

    def admit_one(self) -> None:
        """Let the next one try, where it is shut."""
        if self._state is not _State.OPEN:
            self._state = _State.ADMITS

    def open(self) -> bool:
        """The backend has answered for one; whether it was shut until now."""
        was_shut = self._state is not _State.OPEN
        self._state = _State.OPEN
        self._retries.reset()
        return was_shut
