"""The feed as server-sent events, read from its file page by page for each client at its own pace."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated

import anyio.to_thread
import orjson
import structlog
from fastapi import APIRouter, Depends, Header, HTTPException, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from actors.feed import Fact, FeedPart, FeedReader, FeedUnreadableError
from actors.gateway.auth import operator_only
from actors.gateway.tokens import Tokens
from actors.protocol.base import AGENT_PATTERN
from actors.protocol.feed import FactKind

_log = structlog.stdlib.get_logger(__name__)

STREAMS = 100
"""Most clients at a time."""
HEARTBEAT_SECONDS = 15.0
"""Seconds of silence before a client is sent a comment, so that both sides notice a lost connection."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HELLO = b"retry: 1000\n\n"
"""Milliseconds until a disconnected client reconnects."""
_HEARTBEAT = b": nothing new\n\n"
_BIGGEST = 2**53

Number = Annotated[int, Query(ge=0, le=_BIGGEST)]
LastNumber = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=_BIGGEST)]


class EventStreams:
    """The clients that follow the feed.

    No events are queued for clients. Each client's stream reads the file from its own position, one page at a time
    and only as fast as the client receives, and waits at the end for more. So a slow client costs no memory, and
    there is no gap between replayed and new events.

    Args:
        reader: Reads the feed's file.
        streams: Most clients at a time.
        heartbeat_seconds: Seconds of silence before a client is sent a comment.
    """

    def __init__(
        self,
        reader: FeedReader,
        *,
        streams: int = STREAMS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._reader = reader
        self._streams = streams
        self._heartbeat_seconds = heartbeat_seconds
        self._open = 0
        self._is_over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Make all streams check for new events. May be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, with all streams
                self._loop.call_soon_threadsafe(self._wake)

    def give_up(self) -> None:
        """End all streams. Call it in the event loop, before that ends."""
        self._is_over = True
        self._wake()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more client for the duration of the context."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def open(self, after: int | None, agent: str | None, kinds: Sequence[FactKind]) -> Response:
        """Start a stream after this number; with None, only new events are sent.

        Raises:
            HTTPException: There are too many clients, or the feed can't be read.
        """
        if self._open >= self._streams:
            raise HTTPException(503, f"{self._streams} clients follow the events already; close one of them")
        self._loop = asyncio.get_running_loop()
        try:
            start = await anyio.to_thread.run_sync(self._reader.last) if after is None else after
        except FeedUnreadableError as error:
            raise HTTPException(503, str(error)) from error
        return _EventStream(self._lines(start, agent, kinds), self)

    async def _lines(self, place: int, agent: str | None, kinds: Sequence[FactKind]) -> AsyncIterator[bytes]:
        yield _HELLO
        try:
            lost = await anyio.to_thread.run_sync(self._reader.lost_after, place, agent)
            if lost:
                yield _gap(place + 1, lost)
            while not self._is_over:
                news = self._news  # taken before the read, so that no event between the two is missed
                part = await self._read(place, agent, kinds)
                for fact in part.facts:
                    yield _line(fact)
                place = part.place
                if part.is_end and not await self._has_news(news):
                    yield _HEARTBEAT
        except FeedUnreadableError as error:
            _log.warning("event_stream_ended", reason=str(error))

    async def _read(self, place: int, agent: str | None, kinds: Sequence[FactKind]) -> FeedPart:
        return await anyio.to_thread.run_sync(lambda: self._reader.after(place, agent=agent, kinds=kinds))

    async def _has_news(self, news: asyncio.Event) -> bool:
        try:
            await asyncio.wait_for(news.wait(), self._heartbeat_seconds)
        except TimeoutError:
            return False
        return True


class _EventStream(StreamingResponse):
    """A stream that is counted while it is sent."""

    def __init__(self, lines: AsyncIterator[bytes], streams: EventStreams) -> None:
        super().__init__(lines, headers=_HEADERS, media_type="text/event-stream")
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.counted():
            await super().__call__(scope, receive, send)


def event_routes(streams: EventStreams, tokens: Tokens) -> APIRouter:
    """Return the route ``GET /api/events``, which needs the operator's token."""
    routes = APIRouter(prefix="/api", dependencies=[Depends(operator_only(tokens))])

    @routes.get("/events")
    async def events(
        after: Number | None = None,
        last_event_id: LastNumber = None,
        agent: Annotated[str | None, Query(pattern=AGENT_PATTERN)] = None,
        kind: Annotated[list[FactKind] | None, Query()] = None,
    ) -> Response:
        # A client that reconnects sends its position in the header; its URL still has the first one.
        return await streams.open(after if last_event_id is None else last_event_id, agent, kind or ())

    return routes


def _line(fact: Fact) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (fact.number, fact.kind.encode(), fact.document)


def _gap(first: int, last: int) -> bytes:
    return b"event: gap\ndata: %s\n\n" % orjson.dumps({"from": first, "to": last})
