"""What the router will say once the transaction is committed, and not before."""

from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import Any

from actors.lib.failpoints import failpoint
from actors.protocol.reports import Answer, Reply
from supervisors import AddressBook


class Outgoing:
    """Messages and answers that wait for the commit."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, Any]] = []
        self._answers: list[tuple[Reply, Answer]] = []

    def tell(self, name: str, message: object) -> None:
        """To the actor of that name."""
        self._messages.append((name, message))

    def answer(self, reply: Reply | None, *, ok: bool, text: str, data: dict[str, Any] | None = None) -> None:
        """To whoever waits for this report's answer."""
        if reply is not None:
            self._answers.append((reply, Answer(ok=ok, text=text, data=data)))

    def flush(self, system: AddressBook) -> None:
        """Say it all, in order."""
        messages, self._messages = self._messages, []
        answers, self._answers = self._answers, []
        for name, message in messages:
            failpoint("router.tell.before")
            system.handle(name).tell(message)
            failpoint("router.tell.after")
        for reply, answer in answers:
            failpoint("router.answer.before")
            with suppress(InvalidStateError):  # its asker gave up, or was answered before a crash
                reply.set_result(answer)
            failpoint("router.answer.after")
