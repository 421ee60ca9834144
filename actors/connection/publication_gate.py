"""A gate that holds publications back while the backend can't take any."""

from enum import Enum, auto

from actors.lib.backoff import Retries


class _State(Enum):
    OPEN = auto()
    PAUSES = auto()
    """No publication may go out."""
    ADMITS = auto()
    """The next one may go out, as a trial."""
    TRIES = auto()
    """The trial has gone out; until it is answered, no other may."""


class PublicationGate:
    """A gate that is open until the backend refuses a publication for now; then one is tried after each pause.

    Publications that are held back wait in the journal, and the router resends them when it is told to.

    Args:
        retries: The pauses, each longer than the one before.
    """

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._state = _State.OPEN
        self._tried = ""

    @property
    def pauses(self) -> bool:
        """True during a pause, before the next trial."""
        return self._state is _State.PAUSES

    def passes(self, key: str) -> bool:
        """Return whether this publication may go out now; where a trial is due, it becomes the trial."""
        if self._state is _State.ADMITS:
            self._state, self._tried = _State.TRIES, key
            return True
        return self._state is _State.OPEN

    def shut(self, key: str) -> float | None:
        """Shut the gate, as this one was refused; return the seconds until the next trial, None if one is planned."""
        is_trial = self._state is _State.TRIES and key == self._tried
        if self._state is not _State.OPEN and not is_trial:
            return None  # it was on its way with the first
        self._state = _State.PAUSES
        return self._retries.failed()

    def admit_one(self) -> None:
        """Let the next publication pass as a trial, if the gate is shut."""
        if self._state is not _State.OPEN:
            self._state = _State.ADMITS

    def open(self) -> bool:
        """Open the gate, as the backend has taken or finally refused one; return whether it was shut."""
        was_shut = self._state is not _State.OPEN
        self._state = _State.OPEN
        self._retries.reset()
        return was_shut
