"""Tests of the client by itself: connecting, staying connected, and closing."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.connection import websocket_io
from actors.connection.client import (
    BackendClient,
    Epoch,
    MessageReceived,
    MessageSkipped,
    SocketClosed,
    SocketConnecting,
    SocketFailed,
    SocketOpened,
)
from actors.connection.frames import MAX_MESSAGE
from actors.connection.handshake import Address, check_token
from actors.lib.backoff import Retries
from actors.lib.errors import ConfigurationError
from serving import listen_privately
from tests.actors.connection.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SOON,
    TEXT,
    Listener,
    Peer,
    frame,
)  # fmt: skip
from tests.actors.support import DEADLINE, Record

SYN_SENT = "02"
"""As the kernel's table of connections writes it."""

Make = Callable[..., tuple[BackendClient, Record]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make sockets that are closed at the end."""
    made: list[BackendClient] = []

    def _make(url: str, *, limit: int = 0, **options: Any) -> tuple[BackendClient, Record]:
        record = Record()
        token = options.pop("token", None)
        options = {"wait_for_capacity": lambda _: True, "step_seconds": DEADLINE, **options}
        opened = BackendClient(
            Address(url),
            lambda: token,
            incarnation=3,
            on_event=record.add,
            retries=Retries(SOON, limit=limit),
            **options,
        )
        made.append(opened)
        opened.start()
        return opened, record

    yield _make
    for opened in made:
        assert opened.close()


def test_messages_come_in_with_their_epoch(make: Make, listener: Listener) -> None:
    _, record = make(listener.url, token="s3cret")
    with listener.open() as peer:
        peer.socket.sendall(frame(b"one") + frame(b"\xff\x00", BINARY))
        record.wait_for(MessageReceived, nth=2)
        assert peer.request == "GET /ws HTTP/1.1"
        assert peer.headers["authorization"] == "Bearer s3cret"
    epoch = Epoch(incarnation=3, number=1)
    assert record.all(object)[:4] == [
        SocketConnecting(epoch),
        SocketOpened(epoch),
        MessageReceived(epoch, b"one"),
        MessageReceived(epoch, b"\xff\x00"),
    ]


def test_it_connects_again_for_ever_with_a_new_epoch(make: Make, listener: Listener) -> None:
    _, record = make(listener.url)
    for number in range(1, 6):
        with listener.open():
            record.wait_for(SocketOpened, lambda opened: opened.epoch.number == number)  # noqa: B023 - used at once
        closed = record.wait_for(SocketClosed, nth=number)
        assert closed.reason == "it hung up without a close frame"
        assert closed.retry_in is not None


def test_a_backend_that_is_down_at_first_is_no_failure(make: Make) -> None:
    with Listener() as free:
        port, url = free.port, free.url
    # Given nobody listens
    _, record = make(url)
    closed = record.wait_for(SocketClosed, nth=3)
    assert closed.reason == f"nothing listens at 127.0.0.1:{port}"
    # When the backend comes up
    with Listener(port) as late, late.open():
        # Then it is found
        record.wait_for(SocketOpened)


def test_it_gives_up_where_that_was_asked_for(make: Make) -> None:
    with Listener() as free:
        url = free.url
    made, record = make(url, limit=3)
    last = record.wait_for(SocketClosed, lambda closed: closed.retry_in is None)
    assert last.epoch.number == 3
    # And tries as often again after try_now
    made.try_now()
    last = record.wait_for(SocketClosed, lambda closed: closed.retry_in is None, nth=2)
    assert last.epoch.number == 6


def test_a_pause_is_cut_short_by_try_now(make: Make, listener: Listener) -> None:
    made, record = make(listener.url)
    with listener.accept() as peer:
        peer.answer("403 Forbidden")
        assert record.wait_for(SocketClosed).retry_in == 30.0
    made.try_now()
    with listener.open():
        record.wait_for(SocketOpened)


def test_close_is_prompt_when_it_has_given_up(make: Make) -> None:
    with Listener() as free:
        url = free.url
    made, record = make(url, limit=1)
    record.wait_for(SocketClosed, lambda closed: closed.retry_in is None)
    assert made.close(timeout=DEADLINE / 2)


@pytest.mark.parametrize(
    ("status", "reason", "refused"),
    [
        ("401 Unauthorized", "HTTP 401: the token is missing or wrong", True),
        ("403 Forbidden", "HTTP 403: the token is missing, wrong or not allowed here", True),
        ("404 Not Found", "HTTP 404: there is nothing at this path", False),
        ("503 Service Unavailable", "HTTP 503: it is not available", False),
        ("200 OK", "HTTP 200: it does not open a WebSocket", False),
        ("301 Moved Permanently", "what answers is no WebSocket server", False),
        ("101 Switching Protocols", "what answers is no WebSocket server", False),
    ],
)
def test_what_the_handshake_may_answer(
    make: Make, listener: Listener, status: str, reason: str, *, refused: bool
) -> None:
    _, record = make(f"{listener.url}?token=s3cret", token="t0ken")
    with listener.accept() as peer:
        peer.answer(status, f"Location: {listener.url}?elsewhere")
        closed = record.wait_for(SocketClosed)
    assert (closed.reason, closed.refused) == (reason, refused)
    assert (closed.retry_in == 30.0) is refused
    assert "s3cret" not in repr(record.all(SocketConnecting) + record.all(SocketClosed))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff" * 100,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 101 x\r\nno-colon\r\n\r\n",
    ],
)
def test_a_handshake_that_is_garbage_is_a_failed_attempt(
    make: Make, listener: Listener, answer: bytes
) -> None:
    _, record = make(listener.url)
    with listener.accept() as peer:
        peer.read_request()
        peer.socket.sendall(answer)
        with contextlib.suppress(OSError):  # it may have hung up already
            peer.socket.shutdown(socket.SHUT_WR)
        assert record.wait_for(SocketClosed).retry_in is not None
    with listener.open():
        record.wait_for(SocketOpened)


def test_a_host_that_cannot_be_resolved(make: Make) -> None:
    _, record = make("ws://nowhere.invalid/ws")
    assert record.wait_for(SocketClosed).reason == "the host name 'nowhere.invalid' can't be resolved"


# One more attempt may be reset before it says a word, and then CPython's ssl leaves its socket to the collector.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_tls_where_there_is_none(make: Make, listener: Listener) -> None:
    _, record = make(f"wss://127.0.0.1:{listener.port}/ws")
    with listener.accept() as peer:
        peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        reason = record.wait_for(SocketClosed).reason
    assert reason.startswith("no TLS with it (")
    assert reason.endswith("is it ws:// instead of wss://?")


def test_a_server_that_never_answers_the_handshake(make: Make, listener: Listener) -> None:
    _, record = make(listener.url, step_seconds=0.05)
    with listener.accept():
        assert record.wait_for(SocketClosed).reason == "no answer within 0.05 s"


def test_pings_are_answered(make: Make, listener: Listener) -> None:
    make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"are you there", PING))
        assert peer.receive() == (PONG, b"are you there")


def test_silence_is_broken_by_pings_and_any_answer_will_do(make: Make, listener: Listener) -> None:
    _, record = make(listener.url, ping_seconds=0.25)
    with listener.open() as peer:
        for _ in range(3):
            assert peer.receive()[0] == PING
            peer.socket.sendall(frame(b"", PONG))
        assert record.all(SocketClosed) == []


def test_a_half_open_connection_is_noticed_after_two_pings(make: Make, listener: Listener) -> None:
    _, record = make(listener.url, ping_seconds=0.05)
    with listener.open() as peer:
        assert record.wait_for(SocketClosed).reason == "no answer to 2 pings"
        assert [peer.receive()[0], peer.receive()[0]] == [PING, PING]
        assert peer.at_end()


def test_a_message_in_parts_with_a_ping_in_between(make: Make, listener: Listener) -> None:
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"one ", final=False))
        peer.socket.sendall(frame(b"", PING))
        assert peer.receive() == (PONG, b"")
        peer.socket.sendall(frame(b"two", CONTINUATION)[:3])
        peer.socket.sendall(frame(b"two", CONTINUATION)[3:])
        assert record.wait_for(MessageReceived).data == b"one two"


def test_a_message_that_is_too_long_is_skipped_and_the_connection_goes_on(
    make: Make, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_io, "MAX_MESSAGE", 100_000)
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"x" * 100_000) + frame(b"y" * 300_000) + frame(b"next"))
        assert len(record.wait_for(MessageReceived).data) == 100_000
        assert record.wait_for(MessageSkipped)[1:] == (b"y" * 4096, 300_000)
        assert record.wait_for(MessageReceived, nth=2).data == b"next"


def test_a_message_of_sixteen_mebibytes(make: Make, listener: Listener) -> None:
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"z" * MAX_MESSAGE))
        assert len(record.wait_for(MessageReceived).data) == MAX_MESSAGE


@pytest.mark.parametrize("garbage", [b"\xff" * 10, b"HTTP/1.1 500 Oops\r\n\r\n", frame(b"x", CONTINUATION)])
def test_garbage_instead_of_frames_ends_the_connection(
    make: Make, listener: Listener, garbage: bytes
) -> None:
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(garbage)
        record.wait_for(SocketClosed)
        assert peer.at_end()
    with listener.open():
        record.wait_for(SocketOpened, nth=2)


def test_what_came_whole_with_the_garbage_is_handed_over(make: Make, listener: Listener) -> None:
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"one") + frame(b"two") + b"\xff" * 10)
        closed = record.wait_for(SocketClosed)
    assert [received.data for received in record.all(MessageReceived)] == [b"one", b"two"]
    assert closed.reason == "a frame that the protocol does not allow"


def test_a_server_that_dies_within_a_frame(make: Make, listener: Listener) -> None:
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"x" * 1000)[:500])
    record.wait_for(SocketClosed)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"whole"))
        assert record.wait_for(MessageReceived).data == b"whole"


@pytest.mark.parametrize(
    ("frame_data", "reason", "refused"),
    [
        (b"\x03\xe8", "it closed the connection (1000)", False),
        (b"\x03\xf4", "it is restarting (1012)", False),
        (b"\x03\xf5slow", "we were too slow (1013, 'slow')", False),
        (b"\x03\xf0bad token", "it refused the connection (1008, 'bad token')", True),
        (b"", "it closed the connection (1005)", False),
    ],
)
def test_a_server_that_says_goodbye(
    make: Make, listener: Listener, frame_data: bytes, reason: str, *, refused: bool
) -> None:
    _, record = make(listener.url)
    with listener.open() as peer:
        peer.socket.sendall(frame(frame_data, CLOSE))
        closed = record.wait_for(SocketClosed)
        assert (closed.reason, closed.refused) == (reason, refused)
        assert peer.receive() == (CLOSE, b"\x03\xe8")


def test_sending(make: Make, listener: Listener) -> None:
    made, record = make(listener.url)
    assert made.send(b"too early") is False
    with listener.open() as peer:
        record.wait_for(SocketOpened)
        assert made.send(b'{"a":"\xc3\xa9"}') is True
        assert peer.receive() == (TEXT, b'{"a":"\xc3\xa9"}')
    record.wait_for(SocketClosed)
    assert made.send(b"too late") is False


def test_sending_to_a_peer_that_does_not_read_fails_in_time_and_connects_anew(
    make: Make, listener: Listener
) -> None:
    made, record = make(listener.url, step_seconds=0.2)
    with listener.open():
        record.wait_for(SocketOpened)
        assert made.send(b"x" * 15_000_000) is False
        record.wait_for(SocketClosed)


def test_nothing_is_read_while_there_is_no_capacity(make: Make, listener: Listener) -> None:
    asked, capacity = threading.Semaphore(0), threading.Event()

    def _wait_for_capacity(seconds: float) -> bool:
        asked.release()
        return capacity.wait(min(seconds, 0.01))

    _, record = make(listener.url, wait_for_capacity=_wait_for_capacity)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"one") + frame(b"two"))
        for _ in range(3):
            assert asked.acquire(timeout=DEADLINE)
        assert record.all(MessageReceived) == []
        capacity.set()
        assert record.wait_for(MessageReceived, nth=2).data == b"two"


def _close(made: BackendClient, record: Record) -> None:
    """Close it, and check that this is prompt whatever the thread does, and that nothing is told any more."""
    began = time.monotonic()
    assert made.close(timeout=DEADLINE)
    assert time.monotonic() - began < DEADLINE / 2
    assert record.all(SocketClosed) == []


def test_close_is_prompt_while_it_listens(make: Make, listener: Listener) -> None:
    made, record = make(listener.url, ping_seconds=3600)
    with listener.open() as peer:
        record.wait_for(SocketOpened)
        _close(made, record)
        assert peer.receive() == (CLOSE, b"\x03\xe9")
        assert peer.at_end()


def test_close_is_prompt_while_it_connects(make: Make) -> None:
    # Given a full backlog, so that the kernel leaves a connection unanswered
    with Listener(backlog=0) as listener, socket.create_connection(("127.0.0.1", listener.port)):
        made, record = make(listener.url, step_seconds=3600)
        while f":{listener.port:04X} {SYN_SENT} " not in Path("/proc/net/tcp").read_text():
            made._thread.join(0.01)
        _close(made, record)


def test_close_is_prompt_while_it_shakes_hands(make: Make, listener: Listener) -> None:
    made, record = make(listener.url, step_seconds=3600)
    with listener.accept() as peer:
        peer.read_request()
        _close(made, record)


def test_close_is_prompt_while_it_shakes_hands_for_tls(make: Make, listener: Listener) -> None:
    made, record = make(f"wss://127.0.0.1:{listener.port}/ws", step_seconds=3600)
    with listener.accept() as peer:
        assert peer.socket.recv(1) == b"\x16"
        _close(made, record)


def test_close_is_prompt_while_it_waits_to_try_again(make: Make, listener: Listener) -> None:
    made, record = make(listener.url)
    with listener.accept() as peer:
        peer.answer("403 Forbidden")
    record.wait_for(SocketClosed)
    assert made.close(timeout=DEADLINE / 2)


def test_close_is_prompt_while_it_waits_for_capacity(make: Make, listener: Listener) -> None:
    asked, never = threading.Event(), threading.Event()

    def _no_capacity(_: float) -> bool:
        asked.set()
        return never.wait(0.01)

    made, record = make(listener.url, wait_for_capacity=_no_capacity)
    with listener.open() as peer:
        peer.socket.sendall(frame(b"one"))
        assert asked.wait(DEADLINE)
        _close(made, record)
        assert record.all(MessageReceived) == []


def test_close_is_prompt_while_the_peer_does_not_read(make: Make, listener: Listener) -> None:
    made, record = make(listener.url, step_seconds=3600)
    with listener.open():
        record.wait_for(SocketOpened)
        sender = threading.Thread(target=made.send, args=(b"x" * 15_000_000,))
        sender.start()
        assert made._io is not None
        while not made._io._websocket.lock.locked():
            sender.join(0.01)
        _close(made, record)
        sender.join(DEADLINE)
        assert not sender.is_alive()


def test_close_twice_and_before_the_start(listener: Listener) -> None:
    made = BackendClient(
        Address(listener.url),
        lambda: None,
        incarnation=1,
        on_event=print,
        wait_for_capacity=lambda _: True,
        retries=Retries(SOON),
    )
    assert made.close()
    assert made.close()


def test_a_fault_of_its_own_is_told(listener: Listener) -> None:
    record, fault = Record(), RuntimeError("drill")

    def _on_event(event: object) -> None:
        record.add(event)
        if isinstance(event, SocketConnecting):
            raise fault

    made = BackendClient(
        Address(listener.url),
        lambda: None,
        incarnation=1,
        on_event=_on_event,
        wait_for_capacity=lambda _: True,
        retries=Retries(SOON),
    )
    made.start()
    assert record.wait_for(SocketFailed).error is fault
    assert made.close()


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\x00", "tökén", " s3cret"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_token(token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://h/ws", "ws://", "ws://h:99999/?token=s3cret", "ws://[/?token=s3cret"]
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Address(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://h/ws?token=s3cret", "ws://h:80/ws"),
        ("wss://user:s3cret@h/ws#s3cret", "wss://h:443/ws"),
        ("ws://127.0.0.1:8000/ws", "ws://127.0.0.1:8000/ws"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert Address(url).display == shown


def test_an_answer_without_end_is_cut_off(make: Make, listener: Listener) -> None:
    _, record = make(listener.url)
    with listener.accept() as peer:
        peer.read_request()
        with contextlib.suppress(ConnectionError):
            peer.socket.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-Long: x\r\n" * 1_000_000)
        closed = record.wait_for(SocketClosed)
    assert closed.reason == "its answer is longer than any WebSocket server's"


def test_an_answer_that_trickles_has_one_deadline_in_all(make: Make, listener: Listener) -> None:
    _, record = make(listener.url, step_seconds=0.3)
    with listener.accept() as peer:
        peer.read_request()
        trickle = threading.Thread(target=_trickle, args=(peer, record))
        trickle.start()
        closed = record.wait_for(SocketClosed)
        trickle.join(DEADLINE)
    assert closed.reason == "no answer within 0.3 s"


def _trickle(peer: Peer, record: Record) -> None:
    """Send a byte now and then, each within the time for a step, until the client gives up."""
    with contextlib.suppress(OSError):
        peer.socket.sendall(b"HTTP/1.1 101 ")
        while not record.all(SocketClosed):
            peer.socket.sendall(b"x")
            select.select([], [], [], 0.05)


def test_a_token_is_read_anew_for_each_attempt(listener: Listener) -> None:
    tokens = iter(["old", "new"])
    record = Record()
    made = BackendClient(
        Address(listener.url),
        lambda: next(tokens),
        incarnation=1,
        on_event=record.add,
        wait_for_capacity=lambda _: True,
        retries=Retries(SOON),
    )
    made.start()
    with listener.open() as first:
        assert first.headers["authorization"] == "Bearer old"
    with listener.open() as second:
        assert second.headers["authorization"] == "Bearer new"
    assert made.close()


def test_a_door_of_our_own_is_used_instead_of_the_port(tmp_path: Path) -> None:
    path, record = tmp_path / "door.sock", Record()
    with Listener() as port, listen_privately(path) as door:
        made = _through(path, port.url, record)
        with Peer(door.accept()[0]).shake_hands() as peer:
            assert peer.headers["authorization"] == "Bearer s3cret"
            record.wait_for(SocketOpened)
            assert made.close()


def test_a_door_of_another_user_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, record, us = tmp_path / "door.sock", Record(), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    with listen_privately(path) as door:
        made = _through(path, "ws://127.0.0.1:9/ws", record)
        assert (
            record.wait_for(SocketClosed).reason == f"what listens there belongs to another user (uid {us})"
        )
        with door.accept()[0] as stranger:
            assert stranger.recv(1) == b""
        assert made.close()


def _through(path: Path, url: str, record: Record) -> BackendClient:
    """Connect by a door."""
    made = BackendClient(
        Address(url, path),
        lambda: "s3cret",
        incarnation=1,
        on_event=record.add,
        wait_for_capacity=lambda _: True,
        retries=Retries(SOON),
        step_seconds=DEADLINE,
    )
    made.start()
    return made
