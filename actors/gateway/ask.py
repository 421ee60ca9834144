"""Asking the router from the event loop: tell it, and await what it sets after the journal's commit."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from actors.gateway.errors import RouterSilentError
from actors.lib.failpoints import failpoint
from actors.protocol.reports import Answer, AnyReport, Reply

REPLY_SECONDS = 30.0


class Addressee(Protocol):
    """Somebody who can be told something, as a ``supervisors.Handle`` can."""

    def tell(self, message: object) -> None:
        """Leave the message; never blocks."""


class Router:
    """The router as the gateway sees it.

    Args:
        handle: Where reports go.
        seconds: How long an answer is waited for.
    """

    def __init__(self, handle: Addressee, seconds: float = REPLY_SECONDS) -> None:
        self._handle = handle
        self._seconds = seconds
        self._waiting: set[asyncio.Future[Answer]] = set()

    async def ask(self, report: Callable[[Reply], AnyReport]) -> Answer:
        """Send the report that is made around this reply, and wait for the answer.

        Raises:
            RouterSilentError: No answer in time, or not before the gateway stopped.
        """
        reply = Reply()
        # From here on nobody can cancel it: the router may set it also when nobody waits any more.
        reply.set_running_or_notify_cancel()
        failpoint("gateway.report.before")
        self._handle.tell(report(reply))
        failpoint("gateway.report.after")
        return await self._answer(asyncio.wrap_future(reply))

    async def _answer(self, waiting: asyncio.Future[Answer]) -> Answer:
        self._waiting.add(waiting)
        try:
            done, _ = await asyncio.wait({waiting}, timeout=self._seconds)
            if not done:
                raise RouterSilentError(f"the router did not answer within {self._seconds:g} s")
            if waiting.cancelled():
                raise RouterSilentError("the gateway was stopped before the router answered")
            return waiting.result()
        finally:
            self._waiting.discard(waiting)

    def give_up(self) -> None:
        """Wait for no answer any more; to be called in the event loop, when it is about to end."""
        for waiting in self._waiting:
            waiting.cancel()
