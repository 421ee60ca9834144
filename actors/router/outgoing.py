"""Messages and answers that wait for the commit."""

from collections.abc import Callable
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import Any

from actors.lib.failpoints import failpoint
from actors.protocol.names import SessionAddress
from actors.protocol.reports import Answer, Reply
from actors.protocol.router import ToSession
from actors.router.session_host import SessionHost


class Outgoing:
    """The messages and answers of a transaction, in order; they are sent after its commit."""

    def __init__(self) -> None:
        self._messages: list[tuple[str | SessionAddress, Any]] = []
        self._answers: list[tuple[Reply, Answer]] = []

    def tell(self, name: str, message: object) -> None:
        """Queue a message to the actor of this name."""
        self._messages.append((name, message))

    def ensure(self, session: SessionAddress) -> None:
        """Queue a request to start the session, unless it runs."""
        self._messages.append((session, None))

    def tell_session(self, session: SessionAddress, message: ToSession) -> None:
        """Queue a message to a session."""
        self._messages.append((session, message))

    def answer(self, reply: Reply | None, *, ok: bool, text: str, data: dict[str, Any] | None = None) -> None:
        """Queue an answer to a report, if anybody waits for one."""
        if reply is not None:
            self._answers.append((reply, Answer(ok=ok, text=text, data=data)))

    def flush(self, tell: Callable[[str, Any], None], host: SessionHost) -> None:
        """Send all messages in order, then all answers.

        Args:
            tell: Sends a message to the actor of a name.
            host: Sends to sessions.
        """
        messages, self._messages = self._messages, []
        answers, self._answers = self._answers, []
        for target, message in messages:
            failpoint("router.tell.before")
            if isinstance(target, str):
                tell(target, message)
            elif message is None:
                host.ensure(target)
            else:
                host.tell(target, message)
            failpoint("router.tell.after")
        for reply, answer in answers:
            failpoint("router.answer.before")
            with suppress(InvalidStateError):  # the asker gave up, or was answered before a crash
                reply.set_result(answer)
            failpoint("router.answer.after")
