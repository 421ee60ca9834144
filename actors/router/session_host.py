"""The seam between the router and wherever sessions live."""

from collections.abc import Callable
from typing import Protocol

from actors.protocol.names import SESSIONS, SessionAddress
from actors.protocol.router import ToSession
from supervisors import AddressBook, ChildSpec, Handle, StartChild


class SessionHost(Protocol):
    """A place where sessions live: this process, or (later) another machine.

    The contract:

    - Both methods only send: they never block, never fail and tell nothing of success. A session that lives says
      so by ``SessionReady``; the journal is the only queue, so whatever got lost on the way is sent again then.
    - Messages to one session arrive in the order in which they were told, or not at all.
    - ``ensure`` is idempotent: a session that runs stays as it is.
    - Only values cross: no path, no closure, no future. A long context travels in its delivery, and the session
      writes the file where its agent lives.
    """

    def ensure(self, session: SessionAddress) -> None:
        """Have the session run."""

    def tell(self, session: SessionAddress, message: ToSession) -> None:
        """Send the session a message."""


class LocalSessionHost:
    """Sessions as actors of this process, below the supervisor ``SESSIONS``.

    Args:
        system: Where they live.
        spec: Makes the child spec of a session's actor.
    """

    def __init__(self, system: AddressBook, spec: Callable[[SessionAddress], ChildSpec]) -> None:
        self._system = system
        self._spec = spec
        self._handles: dict[SessionAddress, Handle] = {}

    def ensure(self, session: SessionAddress) -> None:
        """Start its actor, unless it runs."""
        self._system.handle(SESSIONS).tell(StartChild(self._spec(session)))

    def tell(self, session: SessionAddress, message: ToSession) -> None:
        """Leave the message in its actor's mailbox."""
        handle = self._handles.get(session)
        if handle is None:
            handle = self._handles[session] = self._system.handle(session.name)
        handle.tell(message)
