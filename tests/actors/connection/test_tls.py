"""Tests of the connection over TLS, with a trusted and with an untrusted certificate."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from actors.connection.client import BackendClient, MessageReceived, SocketClosed, SocketOpened
from actors.connection.handshake import Address
from actors.lib.backoff import Retries
from tests.actors.connection.peer import SOON, Listener
from tests.actors.support import DEADLINE, Record

OPENSSL = shutil.which("openssl")
REQUEST = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"
)

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs openssl to make a certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory with a key and a certificate for localhost."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run([str(OPENSSL), *REQUEST.split()], cwd=directory, check=True, capture_output=True)
    return directory


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """Run a server that echoes over TLS, and give its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with serve(_echo, "127.0.0.1", 0, ssl=context, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"wss://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        server.shutdown()
        thread.join(DEADLINE)


def _echo(connection: ServerConnection) -> None:
    try:
        for message in connection:
            connection.send(message)
    except ConnectionClosed:
        pass


def _open(url: str, record: Record) -> BackendClient:
    opened = BackendClient(
        Address(url),
        lambda: None,
        incarnation=1,
        on_event=record.add,
        wait_for_capacity=lambda _: True,
        retries=Retries(SOON),
        ping_seconds=0.05,
    )
    opened.start()
    return opened


def test_sending_and_receiving_at_the_same_time(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    record = Record()
    opened = _open(url, record)
    epoch = record.wait_for(SocketOpened).epoch
    # When much is sent at once, and one message of many records
    sent = [f"message {number} ".encode() * 40 for number in range(500)] + [b"x" * 3_000_000, b"last"]
    for message in sent:
        assert opened.send(message)
    # Then all of it comes back in order, over the same connection
    record.wait_for(MessageReceived, lambda received: received.data == b"last")
    assert [received.data for received in record.all(MessageReceived)] == sent
    assert {received.epoch for received in record.all(MessageReceived)} == {epoch}
    assert opened.close()
    assert record.all(SocketClosed) == []


def test_a_record_that_comes_in_byte_by_byte(
    url: str, certificate: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    record, (host, port) = Record(), ("127.0.0.1", Address(url).port)
    opened = _open(f"wss://{host}:{listener.port}/ws", record)
    with listener.accept() as client, socket.create_connection((host, port)) as server:
        up = threading.Thread(target=pass_on, args=(client.socket, server, 4096))
        down = threading.Thread(target=pass_on, args=(server, client.socket, 1))
        up.start()
        down.start()
        record.wait_for(SocketOpened)
        assert opened.send(b"hello")
        assert record.wait_for(MessageReceived).data == b"hello"
        assert record.all(SocketClosed) == []
        assert opened.close()
        up.join(DEADLINE)
        down.join(DEADLINE)


def pass_on(source: socket.socket, sink: socket.socket, at_once: int) -> None:
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):
        while data := source.recv(at_once):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_a_certificate_that_is_not_trusted(url: str) -> None:
    record = Record()
    opened = _open(url, record)
    assert record.wait_for(SocketClosed).reason.startswith("its certificate is not trusted: self")
    assert opened.close()
