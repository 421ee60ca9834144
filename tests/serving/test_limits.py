"""Slow and idle clients: they neither keep others out nor fill the log."""

import contextlib
import errno
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving import BoundedServer, configure, connections, listen, server, url_of

SECONDS = 30.0
MOST = 4
"""Connections that a server of these tests accepts."""


async def echo(request: Request) -> PlainTextResponse:
    """Answer with the size of the body."""
    return PlainTextResponse(str(len(await request.body())))


class Running(BoundedServer):
    """A server in a thread of its own."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(configure(Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])))
        self.url = url_of(listener)
        self.address = listener.getsockname()
        self._is_ready: Future[None] = Future()
        self._listener = listener
        self._thread = threading.Thread(target=self.run, args=[[listener]])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._is_ready.set_result(None)

    def begin(self) -> None:
        """Serve."""
        self._thread.start()
        self._is_ready.result(SECONDS)

    def end(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def call(self) -> str:
        """Make a request on a connection of its own."""
        return httpx.post(self.url, content=b"12345", timeout=SECONDS, trust_env=False).text


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(connections, "MOST", MOST)
    monkeypatch.setattr(connections, "FEWEST", MOST)
    with listen("127.0.0.1", 0) as listener:
        running = Running(listener)
        running.begin()
        yield running
        running.end()


@contextlib.contextmanager
def connected(running: Running, count: int, data: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many clients that send these bytes and no more."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(running.address, SECONDS)) for _ in range(count)
        ]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
        yield clients


def is_closed(client: socket.socket) -> bool:
    """Wait until the server closes."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a header"])
def test_whoever_only_holds_the_line_gives_way(running: Running, data: bytes) -> None:
    # Given many more clients than there is room for, which send no request
    with connected(running, 10 * MOST, data) as clients:
        # Then one with a request is answered
        assert running.call() == "5"
        assert len(running.server_state.connections) <= MOST
        # And the first that came are gone
        assert all(is_closed(client) for client in clients[: 9 * MOST])


def test_those_with_a_request_stay(running: Running) -> None:
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n1"
    with connected(running, MOST - 1, request) as busy:
        until = time.monotonic() + SECONDS
        while len(running.server_state.tasks) < MOST - 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        with connected(running, 5 * MOST):
            assert running.call() == "5"
            for client in busy:
                client.sendall(b"23")
                assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("limit", "data"),
    [
        ("HEADER_SECONDS", b""),
        ("HEADER_SECONDS", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        ("BODY_SECONDS", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"),
        ("HEADER_SECONDS", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET / HTTP/1"),
    ],
    ids=["first byte", "header", "body", "second header"],
)
def test_a_request_has_a_limited_time_to_arrive(
    running: Running, monkeypatch: pytest.MonkeyPatch, limit: str, data: bytes
) -> None:
    monkeypatch.setattr(connections, limit, 0.3)
    with connected(running, 1, data) as (client,):
        ended = threading.Event()
        trickle = threading.Thread(target=_trickle, args=(client, ended))
        if data:  # bytes that trickle in don't win time
            trickle.start()
        while not is_closed(client):
            pass
        ended.set()
        if data:
            trickle.join(SECONDS)


def _trickle(client: socket.socket, ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not ended.wait(0.05):
            client.sendall(b"x")


def test_a_connection_that_is_used_stays(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with httpx.Client(base_url=running.url, timeout=SECONDS, trust_env=False) as client:
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            assert client.post("/", content=b"12").text == "2"
        assert len(running.server_state.connections) == 1


def test_the_number_of_connections_leaves_descriptors_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, most in [(256, 64), (1024, 256), (1_000_000, 1024), (20, 16)]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert connections.most_connections() == most


def test_no_line_of_the_log_for_each_connection(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    # When many clients send what is no request
    for _ in range(50):
        with connected(running, 1, b"\x00\xff\r\n\r\n") as (client,):
            while not is_closed(client):
                pass
    # Then the log says so once
    said = [each for each in caplog.records if "Invalid HTTP request" in each.getMessage()]
    assert len(said) <= 1


def test_what_was_not_logged_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    folding, now = server.Folding(), [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def logged(level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord("uvicorn.error", level, "f", 1, "bad request %s", ("x",), None)
        return record.getMessage() if folding.filter(record) else None

    assert logged() == "bad request x"
    assert [logged(), logged()] == [None, None]
    assert logged(logging.ERROR) == "bad request x"  # what has failed is always said
    now[0] += server.FOLD_SECONDS
    assert logged() == "bad request x (2 more in the meantime)"
    assert logged() is None


class NoDescriptors(socket.socket):
    """A listening socket in a process that has no descriptors left."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Fail."""
        raise OSError(errno.EMFILE, "Too many open files")


def test_failures_to_accept_are_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    monkeypatch.setattr(server.FOLDING, "_logged", {})
    with listen("127.0.0.1", 0) as opened, NoDescriptors(fileno=opened.detach()) as listener:
        running = Running(listener)
        running.begin()
        with connected(running, MOST):
            time.sleep(0.3)  # thirty attempts
        running.end()
    said = [each for each in caplog.records if "no connection can be accepted" in each.getMessage()]
    assert len(said) == 1
    assert len(caplog.records) < 5
