"""The gateway's actor: owns the HTTP server, and is restarted when that dies."""

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
        context: Who it is.
        listener: The listening socket; it outlives the actor, so that its port never changes.
        tokens: What tells agents and the operator.
        feed: The feed's file.
        extra: More routes to serve, each with its own lock.
        reply_seconds: How long the router's answer is waited for.
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

        # A server that dies has this incarnation fail at its next turn, and the supervisor starts another.
        self._server = HttpThread(app, listener, on_stop=give_up, on_death=self.stop)

    def on_start(self) -> None:
        """Begin to serve; returns when requests are answered."""
        self._server.start()

    def on_receive(self, message: object) -> None:
        """Keep in mind what people are to be told, and wake those who follow."""
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
