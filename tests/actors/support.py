"""The needs of tests of an actor: a system to run it in, and a neighbour that remembers what it was told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from supervisors import Actor, ActorContext, Backoff, ChildSpec, Intensity, Supervisor, System

DEADLINE = 30.0
"""Seconds that anything may take in a test."""

M = TypeVar("M")


class Record:
    """The messages that a recorder was told, over all its incarnations."""

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._changed = threading.Condition()

    def add(self, message: object) -> None:
        """Remember a message."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    def all(self, kind: type[M]) -> list[M]:
        """The messages of this type so far, oldest first."""
        with self._changed:
            return [message for message in self._messages if isinstance(message, kind)]

    def wait_for(self, kind: type[M], where: Callable[[M], bool] = lambda _: True, nth: int = 1) -> M:
        """The nth message of this type that fulfils the condition, now or within the deadline."""
        return self.wait_until(lambda: [m for m in self.all(kind) if where(m)][nth - 1 :], kind.__name__)[0]

    def wait_until(self, found: Callable[[], list[M]], what: str = "messages") -> list[M]:
        """Wait until ``found`` returns something, and return it."""
        until = time.monotonic() + DEADLINE
        with self._changed:
            while not (messages := found()):
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"no such {what} in {DEADLINE} s; there were {self._last_words()}")
            return messages

    def _last_words(self) -> str:
        return "\n".join(repr(message)[:500] for message in self._messages[-20:])


class Recorder(Actor):
    """Stands under another actor's name.

    Args:
        context: Who it is.
        record: Where it keeps what it is told.
        react: What else to do with a message, such as to answer it.
    """

    def __init__(
        self,
        context: ActorContext,
        *,
        record: Record,
        react: Callable[[ActorContext, Any], object] | None = None,
    ) -> None:
        super().__init__(context)
        self._record = record
        self._react = react

    def on_receive(self, message: object) -> None:
        """Remember, then react."""
        self._record.add(message)
        if self._react is not None:
            self._react(self.context, message)


@contextmanager
def running(*children: ChildSpec, **callbacks: Any) -> Iterator[System]:
    """A system with these children under one supervisor; all of it is stopped, none abandoned, at the end."""
    system = System(**callbacks)
    root = lambda context: Supervisor(  # noqa: E731 - a child spec wants a callable
        context, children=list(children), intensity=Intensity(restarts=20, period=30)
    )
    system.start(ChildSpec(name="root", start=root))
    try:
        yield system
    finally:
        assert system.stop(timeout=DEADLINE) == []


def child(name: str, start: Callable[[ActorContext], Actor]) -> ChildSpec:
    """A child that is restarted at once."""
    return ChildSpec(name=name, start=start, backoff=Backoff(initial=0, maximum=0))


def recorder(
    name: str, record: Record, react: Callable[[ActorContext, Any], object] | None = None
) -> ChildSpec:
    """A recorder under this name."""
    return child(name, lambda context: Recorder(context, record=record, react=react))
