"""The seam between the router and the place where sessions run."""

from collections.abc import Callable
from typing import Protocol

from actors.protocol.names import SESSIONS, SessionAddress
from actors.protocol.router import ToSession
from supervisors import AddressBook, ChildSpec, Handle, StartChild


class SessionHost(Protocol):
    """A place where sessions run: this process, or (later) another machine.

    The contract:

    - Both methods only send: they never block, never fail and don't report success. A session that is up says so by
      ``SessionReady``. The journal is the only queue, so whatever got lost on the way is sent again then.
    - Messages to one session arrive in the order in which they were sent, or not at all.
    - ``ensure`` is idempotent: a running session stays as it is.
    - Only values cross: no path, no closure, no future. A long context travels in its delivery, and the session
      writes the file on its agent's machine.
    """

    def ensure(self, session: SessionAddress) -> None:
        """Start the session, unless it runs."""

    def tell(self, session: SessionAddress, message: ToSession) -> None:
        """Send the session a message."""


class LocalSessionHost:
    """Sessions as actors of this process, below the supervisor ``SESSIONS``.

    Args:
        system: The actor system.
        spec: Returns the child spec of a session's actor.
    """

    def __init__(self, system: AddressBook, spec: Callable[[SessionAddress], ChildSpec]) -> None:
        self._system = system
        self._spec = spec
        self._handles: dict[SessionAddress, Handle] = {}

    def ensure(self, session: SessionAddress) -> None:
        """Start its actor, unless it runs."""
        self._system.handle(SESSIONS).tell(StartChild(self._spec(session)))

    def tell(self, session: SessionAddress, message: ToSession) -> None:
        """Put the message into its actor's mailbox."""
        handle = self._handles.get(session)
        if handle is None:
            handle = self._handles[session] = self._system.handle(session.name)
        handle.tell(message)
