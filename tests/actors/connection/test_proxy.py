"""Backends behind a proxy: a small one on loopback, which opens tunnels."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.connection.client import BackendClient, MessageReceived, SocketClosed, SocketOpened
from actors.connection.handshake import Address
from actors.connection.proxy import Proxy, ProxyError, find_proxy
from actors.lib.backoff import Retries
from tests.actors.connection import test_tls
from tests.actors.connection.peer import SOON, Listener, Peer
from tests.actors.support import DEADLINE, Record

certificate, url = test_tls.certificate, test_tls.url
VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Give a port where the test plays the proxy of everything."""
    with Listener() as opened:
        for name in ("HTTP_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://user:p%40ss@127.0.0.1:{opened.port}")
        yield opened


def start(address: str, record: Record) -> BackendClient:
    client = BackendClient(
        Address(address), lambda: None, incarnation=1, on_event=record.add, wait_for_capacity=lambda _: True,
        retries=Retries(SOON, limit=1),
    )  # fmt: skip
    client.start()
    return client


@contextmanager
def tunnel(proxy: Listener, port: int) -> Iterator[Peer]:
    """Answer a CONNECT request, and pass on everything to this port until both ends have hung up."""
    with proxy.accept() as asked, socket.create_connection(("127.0.0.1", port)) as server:
        asked.read_request()
        asked.socket.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = [(asked.socket, server), (server, asked.socket)]
        threads = [threading.Thread(target=test_tls.pass_on, args=(*way, 4096)) for way in ways]
        for thread in threads:
            thread.start()
        yield asked
        for thread in threads:
            thread.join(DEADLINE)


def test_a_backend_that_only_the_proxy_reaches(proxy: Listener, listener: Listener, record: Record) -> None:
    client = start("ws://backend.invalid/ws", record)
    with tunnel(proxy, listener.port) as asked, listener.open() as peer:
        record.wait_for(SocketOpened)
        peer.send({"hello": 1})
        assert record.wait_for(MessageReceived).data == b'{"hello": 1}'
        assert client.close()
    assert asked.request == "CONNECT backend.invalid:80 HTTP/1.1"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz", "user:p@ss"
    assert peer.headers["host"] == "backend.invalid"


def test_tls_goes_through_the_tunnel_and_the_certificate_is_the_backends(
    proxy: Listener, url: str, certificate: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    client = start("wss://backend.invalid/ws", record)
    with tunnel(proxy, Address(url).port) as asked:
        assert "certificate is not trusted: Hostname mismatch" in record.wait_for(SocketClosed).reason
    assert client.close()
    assert asked.request == "CONNECT backend.invalid:443 HTTP/1.1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("407 Proxy Authentication Required", "wants a user and a password, or others than these"),
        ("502 Bad Gateway", "refuses to lead there (HTTP 502)"),
    ],
)
def test_a_proxy_that_refuses_is_named(proxy: Listener, record: Record, answer: str, reason: str) -> None:
    client = start("ws://backend.invalid/ws", record)
    proxy.accept().answer(answer)
    assert record.wait_for(SocketClosed).reason == f"the proxy 127.0.0.1:{proxy.port} of HTTP_PROXY {reason}"
    assert client.close()


def test_a_proxy_that_is_down_is_named(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener() as gone:
        port = gone.port
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    client = start("ws://backend.invalid/ws", record)
    reason = record.wait_for(SocketClosed).reason
    assert reason == f"the proxy 127.0.0.1:{port} of HTTP_PROXY can't be reached: Connection refused"
    assert client.close()


def test_closing_is_prompt_while_the_proxy_says_nothing(proxy: Listener, record: Record) -> None:
    client = start("ws://backend.invalid/ws", record)
    with proxy.accept() as asked:
        asked.read_request()
        assert client.close()


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_asked"),
    [
        ("tasks.example.org", "", True),
        ("tasks.example.org", "example.org", False),
        ("tasks.example.org", ".example.org, other", False),
        ("tasks.example.com", "example.org", True),
        ("10.1.2.3", "10.0.0.0/8", False),
        ("tasks.example.org", "*", False),
        ("127.0.0.1", "", False),
        ("::1", "", False),
        ("localhost", "", False),
    ],
)
def test_what_needs_no_proxy(
    host: str, no_proxy: str, *, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    found = Proxy("HTTPS_PROXY", "proxy.example.org", 3128) if is_asked else None
    assert find_proxy(host, secure=True) == found
    assert find_proxy(host, secure=False) is None, "that is for HTTP_PROXY to say"


def test_an_address_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "me:secret@proxy:3128")
    assert find_proxy("backend.invalid", secure=False) == Proxy("HTTP_PROXY", "proxy", 3128, ("me", "secret"))


@pytest.mark.parametrize("value", ["http://proxy:port", "socks5://proxy:1080", "http://", "[::1"])
def test_a_variable_that_is_no_address(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(ProxyError, match="HTTP_PROXY can't be used: it must look like http://host:port"):
        find_proxy("backend.invalid", secure=False)
