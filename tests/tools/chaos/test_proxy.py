"""Tests of the proxy, which forwards everything unchanged until it is told otherwise."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tools.chaos.frames import Splitter
from tools.chaos.proxy import TWICE, Proxy
from tools.common.chance import dice

HANDSHAKE = b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"
SECONDS = 10.0


def frame(payload: bytes, *, masked: bool = False) -> bytes:
    """Return a text message as one frame."""
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes([0x81, bit | size])
    elif size < 65536:
        head = bytes([0x81, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x81, bit | 127]) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


@pytest.mark.parametrize("masked", [False, True])
def test_a_stream_is_cut_into_its_frames_however_it_comes(masked: bool) -> None:  # noqa: FBT001 - a parameter
    frames = [frame(b"x" * size, masked=masked) for size in (0, 1, 125, 126, 65535, 65536)]
    stream, rng = HANDSHAKE + b"".join(frames), random.Random(1)  # noqa: S311 - where it is cut
    for longest in (1, 7, 5000, len(stream)):
        splitter, found, rest = Splitter(), [], stream
        while rest:
            size = rng.randint(1, longest) if longest > 1 else 1
            found += list(splitter.feed(rest[:size]))
            rest = rest[size:]
        assert [piece.data for piece in found] == [HANDSHAKE, *frames]
        assert [piece.is_message for piece in found] == [False] + [True] * len(frames)


def test_control_frames_and_fragments_are_no_messages() -> None:
    splitter = Splitter()
    pieces = list(splitter.feed(HANDSHAKE + b"\x89\x00" + b"\x01\x01a" + b"\x80\x01b" + b"\x88\x00"))
    assert [piece.is_message for piece in pieces] == [False] * 5


@contextmanager
def connected(twice: float = TWICE) -> Iterator[tuple[Proxy, socket.socket, socket.socket]]:
    """Return the two ends of a connection through the proxy, after the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        between = Proxy(listener.getsockname()[1], dice("1", "network"), twice)
        between.start()
        try:
            with socket.create_connection(("127.0.0.1", between.port), SECONDS) as near:
                far, _ = listener.accept()
                far.settimeout(SECONDS)
                with far:
                    near.sendall(HANDSHAKE)
                    assert far.recv(len(HANDSHAKE)) == HANDSHAKE
                    far.sendall(HANDSHAKE)
                    assert near.recv(len(HANDSHAKE)) == HANDSHAKE
                    yield between, near, far
        finally:
            between.stop()


def is_over(end: socket.socket) -> bool:
    """Tell whether the connection ends, in any way."""
    try:
        return end.recv(1) == b""
    except ConnectionError:
        return True


def test_messages_come_twice_now_and_then() -> None:
    with connected(twice=1.0) as (_, near, far):
        near.sendall(frame(b"up", masked=True))
        assert far.recv(100) == frame(b"up", masked=True) * 2
        far.sendall(frame(b"down"))
        assert near.recv(100) == frame(b"down") * 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_ends_both_ends(reset: bool) -> None:  # noqa: FBT001 - a parameter
    happened = threading.Event()
    with connected() as (between, near, far):
        between.cut(happened.set, reset=reset)
        assert happened.wait(SECONDS)
        assert is_over(near)
        assert is_over(far)


def test_a_message_is_cut_in_its_midst() -> None:
    happened = threading.Event()
    with connected() as (between, near, far):
        between.truncate(happened.set)
        far.sendall(frame(b"x" * 100))
        assert happened.wait(SECONDS)
        came = b"".join(iter(lambda: near.recv(1000), b""))
        assert 0 < len(came) < len(frame(b"x" * 100))
        assert frame(b"x" * 100).startswith(came)


def test_a_half_open_connection_swallows_and_then_ends() -> None:
    happened = threading.Event()
    with connected() as (between, near, far):
        between.swallow(0.2, happened.set)
        assert happened.wait(SECONDS)
        near.sendall(frame(b"lost", masked=True))
        assert is_over(far)
        assert is_over(near)


def test_a_half_open_connection_swallows_that_an_end_hangs_up_and_whoever_comes_meanwhile() -> None:
    happened = threading.Event()
    with connected() as (between, near, far):
        between.swallow(3600, happened.set)
        assert happened.wait(SECONDS)
        # When one end hangs up and comes again
        near.shutdown(socket.SHUT_WR)
        with socket.create_connection(("127.0.0.1", between.port), SECONDS) as again:
            again.sendall(HANDSHAKE)
            # Then neither hears a word
            for end in (again, far):
                end.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    end.recv(1)
                end.settimeout(SECONDS)
            # Until the network is well again
            between.heal()
            assert is_over(far)
            assert is_over(again)


def test_without_a_backend_a_connection_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    between = Proxy(port, dice("1", "network"))
    between.start()
    try:
        with socket.create_connection(("127.0.0.1", between.port), SECONDS) as near:
            assert is_over(near)
    finally:
        between.stop()
