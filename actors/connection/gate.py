"""Holds publications back while the backend can't take any."""

from actors.connection.retry import Retry


class Gate:
    """Open, until the backend can't take a publication for now; then one is tried after each growing pause.

    What it holds back waits in the journal, and comes again when the router is told that the backend is there.
    """

    def __init__(self) -> None:
        self._retry = Retry()
        self._is_open = True
        self._is_trial_due = False
        self._pauses = False

    @property
    def pauses(self) -> bool:
        """Whether the next trial waits for the end of a pause."""
        return self._pauses

    def passes(self) -> bool:
        """Whether the next publication may go out."""
        passes = self._is_open or self._is_trial_due
        self._is_trial_due = False
        return passes

    def shut(self) -> float | None:
        """The backend can't take one now; seconds until the next trial, or None where a pause runs already."""
        if self._pauses:
            return None  # another one that was on its way with the first
        self._is_open, self._is_trial_due, self._pauses = False, False, True
        self._retry.failed()
        return self._retry.delay()

    def admit_one(self) -> None:
        """Let the next one try, where it is shut."""
        self._is_trial_due, self._pauses = not self._is_open, False

    def open(self) -> bool:
        """The backend has answered for one; whether it was shut until now."""
        was_shut = not self._is_open
        self._is_open, self._is_trial_due, self._pauses = True, False, False
        self._retry.reset()
        return was_shut
