"""The WebSocket interface: replays the history from any point, then sends live events, and accepts publications."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DataError, IntegrityError
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.errors import BackendError, InvalidError
from backend.hub import Subscription
from backend.requests import Publication
from backend.runtime import PRODUCT, Runtime

log = structlog.get_logger(__name__)

ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
QUEUE_LIMIT = 32_000_000
"""Most characters of live events that may wait for one subscriber."""

CLOSE_DEADLINE = 30.0
"""Seconds that a slow subscriber has to receive the close frame."""

FAULTS_OF_THE_EVENT = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, DataError, IntegrityError,
)  # fmt: skip
"""Errors that a retry would repeat; after other errors, a retry may succeed."""

Channel = Literal["tasks", "subtasks", "agents"]


class Subscribe(BaseModel):
    """A client's subscription: the events after `since` first; without `since`, only live events."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channels: Annotated[list[Channel], Field(min_length=1)] = ["tasks", "subtasks", "agents"]
    since: Annotated[int, Field(ge=0, le=2**62)] | None = None


class Connection:
    """One client's connection.

    It has two tasks: the reader answers the client's messages, the pump sends events. A client that subscribes
    again is served from its new `since`.

    Args:
        websocket: the accepted connection.
        runtime: the backend.
        queue_limit: the most characters of live events that may wait.
    """

    def __init__(self, websocket: WebSocket, runtime: Runtime, *, queue_limit: int = QUEUE_LIMIT) -> None:
        self._websocket = websocket
        self._runtime = runtime
        self._hub = runtime.hub
        self._queue_limit = queue_limit
        self._over: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._pump: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve the client until it leaves. A slow client is closed with 1013 and can reconnect with `since`."""
        reader = asyncio.create_task(self._watch(self._read))
        try:
            code = await self._over
        finally:
            await _stop(reader)
            await _stop(self._pump)
        if code is not None:
            await self._close(code)

    async def _watch(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """End the connection when either of its two tasks ends."""
        try:
            await work()
        except WebSocketDisconnect:
            self._end(None)
        except Exception:
            if not self._over.done():  # the connection is over, nothing can be sent
                log.exception("backend.socket.failed")
            self._end(INTERNAL_ERROR)
        else:
            self._end(None)

    async def _send(self, text: str) -> None:
        """Send one message.

        Raises:
            WebSocketDisconnect: The client is gone, or the server has closed the connection.
        """
        try:
            await self._websocket.send_text(text)
        except RuntimeError as error:  # the server closed it by itself, as nobody answered its pings
            raise WebSocketDisconnect(ABNORMAL_CLOSURE) from error

    def _end(self, code: int | None) -> None:
        if not self._over.done():
            self._over.set_result(code)

    async def _close(self, code: int) -> None:
        # The client sees the close frame only after it has read the data before it. One that never reads is
        # dropped by the server's pings.
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_DEADLINE):
                await self._websocket.close(code)

    async def _read(self) -> None:
        await self._tell(
            type="welcome",
            server=PRODUCT,
            instance=self._runtime.instance,
            last_seq=self._hub.last_seq,
            acks=True,
        )
        while (frame := await self._websocket.receive())["type"] != "websocket.disconnect":
            await self._answer(frame.get("text") or frame.get("bytes") or "")

    async def _answer(self, raw: str | bytes) -> None:
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            await self._tell(type="error", error=f"not JSON: {error}")
            return
        match message:
            case {"event_type": _}:
                await self._publish(message)
            case {"type": "subscribe"}:
                await self._subscribe(message)
            case {"type": "ping"}:
                await self._tell(type="pong")
            case _:
                await self._tell(
                    type="error", error="expected a subscribe, a ping or an event with event_type"
                )

    async def _subscribe(self, message: Mapping[str, Any]) -> None:
        try:
            wish = Subscribe.model_validate(message)
        except ValidationError as error:
            await self._tell(type="error", error=_explain(error).message)
            return
        await _stop(self._pump)
        last_seq = self._hub.last_seq
        since = last_seq if wish.since is None else wish.since
        # Not live yet: missed events come first, then the message that the replay is complete.
        await self._tell(
            type="subscribed", channels=wish.channels, since=since, last_seq=last_seq, live=False
        )
        subscription = Subscription(wish.channels, self._queue_limit, lambda: self._end(TRY_AGAIN_LATER))
        self._pump = asyncio.create_task(self._watch(partial(self._send_events, subscription, since)))

    async def _send_events(self, subscription: Subscription, since: int) -> None:
        try:
            seq = await self._replay(subscription, since)
            self._hub.join(subscription)
            await self._tell(type="live", seq=seq)
            while True:
                for text in await subscription.take():
                    await self._send(text)
                await asyncio.sleep(0)
        finally:
            self._hub.leave(subscription)

    async def _replay(self, subscription: Subscription, since: int) -> int:
        """Send stored events until none is left, and return the last sequence number sent.

        There is no `await` between the check that none is left and the return, so no event can be published
        between the replay and joining the hub.
        """
        while since < (upto := self._hub.last_seq):
            page = await self._runtime.read(self._runtime.queries.history, since, upto)
            for event in page:
                if event.channel in subscription.channels:
                    await self._send(event.text)
            since = page[-1].seq if page else upto
        return since

    async def _publish(self, message: Mapping[str, Any]) -> None:
        key = message.get("id")
        try:
            publication = Publication.model_validate(message)
            seq = await self._runtime.write(self._runtime.service.publish, publication)
        except ValidationError as error:
            await self._refuse(key, InvalidError.code, _explain(error).message)
        except BackendError as error:
            await self._refuse(key, error.code, error.message)
        except Exception as error:
            log.exception("backend.publish.failed", key=key)
            code = "failed" if isinstance(error, FAULTS_OF_THE_EVENT) else "unavailable"
            await self._refuse(key, code, "the backend failed; its log says why")
        else:
            await self._tell(type="ack", id=key, seq=seq)

    async def _refuse(self, key: object, code: str, error: str) -> None:
        await self._tell(type="nack", id=key, code=code, error=error)

    async def _tell(self, **message: object) -> None:
        await self._send(orjson.dumps(message).decode())


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _explain(error: ValidationError) -> InvalidError:
    return InvalidError.of(error.errors(include_url=False, include_input=False))
