"""The only module that depends on pykka's internals.

Pykka 4.5 is pinned for these names; `tests/supervisors/test_pykka_seams.py` holds each of them.
Pykka's own loop is not used: it stops every actor on a `BaseException`, drops waiting messages,
and reports no exit. Its registry, refs, proxies and futures are used.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, NoReturn

import pykka
from pykka._envelope import Envelope
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

if TYPE_CHECKING:
    from pykka._actor import ActorInbox

    from supervisors.answer import PendingAnswer

__all__ = [
    "Asked",
    "Envelope",
    "PykkaActor",
    "answer",
    "ask_envelope",
    "envelope",
    "fail",
    "is_withdrawn",
    "refuse",
]

Asked = Envelope[Any]
"""A message with the place for its answer. A message that is only told goes without an envelope."""

_PYKKA_MESSAGES = (_ActorStop, ProxyCall, ProxyGetAttr, ProxySetAttr)


def answer(asked: Asked, value: object) -> None:
    """Answer an ask; do nothing if it was answered before."""
    if asked.reply_to is not None:
        try:
            asked.reply_to.set(value)
        except queue.Full:  # pykka's way to say that there is an answer already
            return


def fail(asked: Asked, error: BaseException) -> None:
    """Answer an ask with an error; do nothing if it was answered before."""
    if asked.reply_to is not None:
        try:
            asked.reply_to.set_exception((type(error), error, error.__traceback__))
        except queue.Full:
            return


def refuse(asked: Asked, error: Exception) -> None:
    """Answer an unhandled ask with an error, and withdraw it so that nobody handles it later."""
    reply: Any = asked.reply_to
    if reply is not None:
        reply.withdrawn = True
        fail(asked, error)


def is_withdrawn(asked: Asked) -> bool:
    """Tell whether the asker has stopped waiting, so that the message need not be handled."""
    reply: Any = asked.reply_to
    return getattr(reply, "withdrawn", False)


def envelope(message: object) -> Asked:
    """Mark a message as one that isn't the actor's own."""
    return Envelope(message)


def ask_envelope(message: object, reply_to: PendingAnswer) -> Asked:
    """Combine a message with the place for its answer."""
    reply: Any = reply_to  # pykka types it as its own future, of which only the two setters are used
    return Envelope(message, reply)


class PykkaActor(pykka.ThreadingActor):
    """A pykka actor whose mailbox and thread come from outside."""

    use_daemon_thread = True

    def __init__(self, mailbox: ActorInbox) -> None:
        self._mailbox = mailbox
        super().__init__()

    @classmethod
    def start(cls, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse pykka's way of starting an actor: nobody would supervise it.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{cls.__name__} is started by a supervisor: put it into a ChildSpec")

    def _create_actor_inbox(self) -> ActorInbox:  # type: ignore[override]  # static in pykka, called on self
        return self._mailbox

    def _start_actor_loop(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is run by its supervisor")

    def _stop(self) -> None:
        """Stop in an orderly way; pykka calls this when it handles its stop message."""
        self.stop()

    def _enter(self) -> None:
        pykka.ActorRegistry.register(self.actor_ref)

    def _leave(self) -> None:
        self.actor_stopped.set()
        pykka.ActorRegistry.unregister(self.actor_ref)

    def on_ask(self, message: Any) -> Any:  # noqa: ANN401  # messages are the actor's own
        """Handle a message whose sender waits for the answer; by default like a told message."""
        return self.on_receive(message)

    def _on_envelope(self, asked: Asked) -> Any:  # noqa: ANN401  # answers are the actor's own
        """Handle the content of an envelope: an ask, or a call through pykka's refs and proxies."""
        if isinstance(asked.message, _PYKKA_MESSAGES):
            return self._handle_receive(asked.message)
        return self.on_receive(asked.message) if asked.reply_to is None else self.on_ask(asked.message)
