"""The gateway's actor, which owns the HTTP server and is restarted when that dies."""

import socket
from collections.abc import Sequence
from pathlib import Path

import structlog
from fastapi import APIRouter

from actors.feed import FeedReader
from actors.gateway.ask import REPLY_SECONDS, Router
from actors.gateway.events import EventStreams
from actors.gateway.http_thread import HttpThread
from actors.gateway.server import build_app
from actors.gateway.tokens import Tokens
from actors.protocol.feed import FeedGrew, WritingPaused, WritingResumed
from actors.protocol.names import ROUTER
from supervisors import Actor, ActorContext

_log = structlog.stdlib.get_logger(__name__)


class GatewayActor(Actor):
    """Serves agents and the operator on loopback.

    Args:
        context: See `Actor`.
        listener: The listening socket; it outlives the actor, so that its port never changes.
        tokens: Verifies agents and the operator.
        feed: The feed's file.
        extra: More routes to serve, each with its own authentication.
        reply_seconds: Seconds to wait for the router's answer.
    """

    def __init__(
        self,
        context: ActorContext,
        *,
        listener: socket.socket,
        tokens: Tokens,
        feed: Path,
        extra: Sequence[APIRouter] = (),
        reply_seconds: float = REPLY_SECONDS,
    ) -> None:
        super().__init__(context)
        router = Router(context.system.handle(ROUTER), reply_seconds)
        self._streams = streams = EventStreams(FeedReader(feed))
        self._paused: WritingPaused | None = None
        app = build_app(router, tokens, streams, paused=lambda: self._paused, extra=extra)

        def give_up() -> None:
            router.give_up()
            streams.give_up()

        # A server that dies ends this incarnation, and the supervisor starts another.
        self._server = HttpThread(app, listener, on_stop=give_up, on_death=self.stop)

    def on_start(self) -> None:
        """Start the server, and return when it answers requests."""
        self._server.start()

    def on_receive(self, message: object) -> None:
        """Remember whether the journal is paused, and wake the event streams."""
        match message:
            case WritingPaused():
                self._paused = message
            case WritingResumed():
                self._paused = None
            case FeedGrew():
                self._streams.wake()

    def on_exit(self, reason: BaseException | None) -> None:  # noqa: ARG002 - stopped or failed, the server goes
        """Stop serving."""
        if not self._server.stop():
            _log.warning("gateway_server_abandoned")
        self._streams.close()
