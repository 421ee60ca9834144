"""Asks of the router from the event loop, whose answers come after the journal's commit."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from actors.gateway.errors import RouterSilentError
from actors.lib.failpoints import failpoint
from actors.protocol.reports import Answer, AnyReport, Reply

REPLY_SECONDS = 30.0


class Addressee(Protocol):
    """The target of a message, such as a ``supervisors.Handle``."""

    def tell(self, message: object) -> None:
        """Send the message. Never blocks."""


class Router:
    """The router as the gateway sees it.

    Args:
        handle: The router's address.
        seconds: Seconds to wait for an answer.
    """

    def __init__(self, handle: Addressee, seconds: float = REPLY_SECONDS) -> None:
        self._handle = handle
        self._seconds = seconds
        self._waiting: set[asyncio.Future[Answer]] = set()

    async def ask(self, report: Callable[[Reply], AnyReport]) -> Answer:
        """Send the report that ``report`` creates with a reply, and wait for the answer.

        Raises:
            RouterSilentError: No answer in time, or none before the gateway stopped.
        """
        reply = Reply()
        # It can't be cancelled from here on, so that the router can set it even after the asker has given up.
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
        """Stop waiting for answers. Call it in the event loop, before that ends."""
        for waiting in self._waiting:
            waiting.cancel()
