"""The gateway's life: it answers when it has started, keeps its port, and stops at once."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse

from actors.gateway.errors import ServerDiedError
from actors.gateway.http_thread import HttpThread
from actors.protocol.feed import WritingPaused, WritingResumed
from actors.protocol.names import GATEWAY
from actors.protocol.reports import Answer
from serving import connections, url_of
from supervisors.drill import crash
from tests.actors.gateway.conftest import SECONDS, Gateway

StartGateway = Callable[..., Gateway]
QUIET: dict[str, Callable[..., None]] = {"on_stop": lambda: None, "on_death": lambda _reason: None}


def endless() -> APIRouter:
    """A route that sends a first line and then nothing, for ever."""
    routes = APIRouter()

    async def lines() -> AsyncIterator[bytes]:
        yield b"first\n"
        await asyncio.Event().wait()

    @routes.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(lines())

    return routes


def suicidal() -> APIRouter:
    """A route that ends the server's event loop under it."""
    routes = APIRouter()

    @routes.get("/die")
    async def die() -> None:
        asyncio.get_running_loop().stop()

    return routes


def app_with(routes: APIRouter) -> FastAPI:
    app = FastAPI()
    app.include_router(routes)
    return app


def test_it_answers_once_it_has_started(gateway: Gateway) -> None:
    with gateway.http() as http:
        assert http.get("/healthz").json() == {"status": "ok", "product": "agent-coordinator", "paused": None}


def test_whoever_asks_is_told_that_the_journal_cannot_be_written(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    handle = gateway.system.handle(GATEWAY)
    with gateway.http() as http:
        handle.ask(WritingPaused(reason="database or disk is full", since=1_780_000_000.5), timeout=SECONDS)
        assert http.get("/healthz").json() == {
            "status": "paused",
            "product": "agent-coordinator",
            "paused": {"reason": "database or disk is full", "since": 1_780_000_000.5},
        }
        handle.ask(WritingResumed(), timeout=SECONDS)
        assert http.get("/healthz").json()["paused"] is None


@pytest.mark.expected_errors("child_exited")
def test_a_crash_keeps_the_port(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    # Given a gateway that has crashed
    crash(gateway.system, GATEWAY, RuntimeError("drill"))
    assert str(gateway.wait_for_exit().reason) == "drill"
    # When somebody calls, whether the next incarnation is there yet or not
    with gateway.http() as http:
        # Then the next incarnation answers
        assert http.get("/healthz").status_code == 200


@pytest.mark.expected_errors("child_exited")
def test_a_server_that_dies_is_replaced(start_gateway: StartGateway) -> None:
    gateway = start_gateway(extra=[suicidal()])
    with gateway.http() as http:
        with contextlib.suppress(httpx.TransportError):  # its answer may or may not come through
            http.get("/die")
        assert isinstance(gateway.wait_for_exit().reason, ServerDiedError)
        assert http.get("/healthz").status_code == 200
    assert len(gateway.exits) == 1


def test_clients_without_a_request_keep_nobody_out(
    start_gateway: StartGateway, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FEWEST", 4)
    monkeypatch.setattr(connections, "MOST", 4)
    gateway = start_gateway()
    with contextlib.ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(socket.create_connection(listener.getsockname(), SECONDS))
        with gateway.http() as http:
            assert http.get("/healthz").status_code == 200


def test_connections_wait_while_no_gateway_is_there(
    start_gateway: StartGateway, listener: socket.socket
) -> None:
    # Given a call while nobody serves
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=url_of(listener), timeout=SECONDS) as http:
        call = pool.submit(http.get, "/healthz")
        # When the gateway starts
        start_gateway()
        # Then the call is answered
        assert call.result(SECONDS).status_code == 200


def test_a_stop_is_prompt_with_an_open_stream(
    start_gateway: StartGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = start_gateway(extra=[endless()])
    with gateway.http() as http, http.stream("GET", "/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "first"
        # Nothing is abandoned: the server's thread has ended within its time.
        with caplog.at_level(logging.INFO):
            assert gateway.system.stop(SECONDS) == []
        with pytest.raises(httpx.TransportError):
            next(lines)
    assert "gateway_server_abandoned" not in caplog.text
    assert [
        record for record in caplog.records if record.name.startswith(("uvicorn", "mcp", "asyncio"))
    ] == []


def test_a_stop_is_prompt_with_an_open_call(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    gateway.office.script = lambda _report: None
    with gateway.http(gateway.tokens.operator) as http, ThreadPoolExecutor(1) as pool:
        call = pool.submit(http.post, "/api/agents/coder/start")
        [report] = gateway.office.wait_for(1)
        assert gateway.system.stop(SECONDS) == []
        # Then the caller is told, rather than cut off
        assert call.result(SECONDS).status_code == 503
        assert "stopped before the router answered" in call.result().text
    # And the router may answer all the same: nobody has to tell it who still listens.
    assert report.reply is not None
    assert not report.reply.cancelled()
    report.reply.set_result(Answer(ok=True, text="late"))


def test_the_listener_outlives_the_server(listener: socket.socket) -> None:
    for _ in range(2):
        server = HttpThread(app_with(endless()), listener, **QUIET)
        server.start(SECONDS)
        with httpx.stream("GET", url_of(listener) + "/stream", timeout=SECONDS) as stream:
            assert next(stream.iter_lines()) == "first"
            assert server.stop()
    assert listener.fileno() >= 0


def test_a_server_that_cannot_start_says_why(listener: socket.socket) -> None:
    deaths: list[BaseException | None] = []

    async def broken(_scope: object, _receive: object, _send: object) -> None:
        raise RuntimeError("no")

    server = HttpThread(broken, listener, on_stop=lambda: None, on_death=deaths.append)
    with pytest.raises(ServerDiedError, match="could not start"):
        server.start(SECONDS)
    assert server.stop()
    assert deaths == []


def test_a_server_that_was_never_started_can_be_stopped(listener: socket.socket) -> None:
    assert HttpThread(app_with(endless()), listener, **QUIET).stop()
