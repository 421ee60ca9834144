"""An HTTP connection that has a limited time for each request, and gives way when there are too many."""

import asyncio
import math
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""The time from the connection, or the last answer, to the end of a request's header."""
BODY_SECONDS = 60.0
"""The time from a request's header to the end of its body."""
SHARE = 4
"""Connections of one server may take this part of the process's file descriptors, a fourth."""
FEWEST, MOST = 16, 1_024
"""Bounds of the number of connections, whatever the limit on file descriptors is."""


def most_connections() -> int:
    """Return the number of connections that one server may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(FEWEST, min(MOST, descriptors // SHARE))


class BoundedConnection(H11Protocol):
    """A connection of uvicorn's that is closed when a request takes too long to arrive.

    If there are more connections than `most_connections`, the one goes that has waited longest for a request: a
    client with something to say gets in, however many others only hold the line. A header may have 64 KiB, which is
    uvicorn's own limit.
    """

    _expected: object = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for a request, in the place of another connection if there are too many."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._expect(None, 0)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has arrived, and limit the time for what is missing."""
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        state = self.conn.their_state
        if state is h11.IDLE:
            self._expect(state, HEADER_SECONDS)
        elif state is h11.SEND_BODY:
            self._expect(state, BODY_SECONDS)
        else:
            self._expect(None, 0)

    def _expect(self, what: object, seconds: float) -> None:
        """Set the time for what is missing of a request; None: nothing is. It isn't set anew while bytes trickle."""
        if what is self._expected:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._expected = what
        self._timer = None if what is None else self.loop.call_later(seconds, self.give_up)

    @property
    def due(self) -> float:
        """The time of the loop's clock at which a header has to be here; infinite while none is missing."""
        return self._timer.when() if self._timer and self._expected is h11.IDLE else math.inf

    def give_up(self) -> None:
        """Close it at once."""
        self.connections.discard(
            self
        )  # at once: the transport tells of its end only in the next step of the loop
        self.transport.abort()

    def _make_room(self) -> None:
        bounded = (each for each in self.connections if isinstance(each, BoundedConnection))
        min(bounded, key=lambda each: each.due).give_up()
