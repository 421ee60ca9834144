"""Tests of WebSocket frames that are received in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.frames import (
    CloseFrame,
    FrameDecoder,
    Item,
    OversizedMessage,
    PingFrame,
    PongFrame,
    ProtocolError,
    WholeMessage,
)
from tests.actors.connection.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, frame

LIMIT = 300


def _decode(stream: bytes, cuts: list[int] | None = None) -> list[Item]:
    items: list[Item] = []
    decoder, last = FrameDecoder(LIMIT), 0
    for cut in [*sorted(cuts or []), len(stream)]:
        items += decoder.feed(stream[last:cut])
        last = max(last, cut)
    return items


STREAM: list[tuple[bytes, list[Item]]] = [
    (frame(b"short"), [WholeMessage(b"short")]),
    (frame(b"", BINARY), [WholeMessage(b"")]),
    (frame(b"m" * 200), [WholeMessage(b"m" * 200)]),
    (frame(b"l" * LIMIT), [WholeMessage(b"l" * LIMIT)]),
    (frame(b"o" * (LIMIT + 1)), [OversizedMessage(b"o" * (LIMIT + 1), LIMIT + 1)]),
    (frame(b"h" * 70_000), [OversizedMessage(b"h" * 4096, 70_000)]),
    (frame(b"p", PING), [PingFrame(b"p")]),
    (frame(b"", PONG), [PongFrame(b"")]),
    (
        frame(b"one", final=False) + frame(b"!", PING) + frame(b"two", CONTINUATION),
        [PingFrame(b"!"), WholeMessage(b"onetwo")],
    ),
    (
        frame(b"a" * 200, final=False)
        + frame(b"b" * 200, CONTINUATION, final=False)
        + frame(b"?", PING)
        + frame(b"", CONTINUATION, final=False)
        + frame(b"c" * 200, CONTINUATION),
        [PingFrame(b"?"), OversizedMessage(b"a" * 200 + b"b" * 200 + b"c" * 200, 600)],
    ),
    (
        frame(b"a" * LIMIT, final=False) + frame(b"b", CONTINUATION, final=False) + frame(b"", CONTINUATION),
        [OversizedMessage(b"a" * LIMIT + b"b", LIMIT + 1)],
    ),
    (frame(b"", final=False) + frame(b"", CONTINUATION), [WholeMessage(b"")]),
    (frame(b"\x03\xf0bye", CLOSE), [CloseFrame(1008, "bye")]),
    (frame(b"", CLOSE), [CloseFrame(1005, "")]),
    (frame(b"\x03\xe8\xff", CLOSE), [CloseFrame(1000, "\ufffd")]),
]


@pytest.mark.parametrize(("stream", "items"), STREAM)
def test_each_kind_of_message_whole_and_byte_by_byte(stream: bytes, items: list[Item]) -> None:
    assert _decode(stream) == items
    assert _decode(stream, list(range(min(len(stream), 2000)))) == items


@given(
    parts=st.lists(st.sampled_from(STREAM), max_size=6), cuts=st.lists(st.integers(0, 150_000), max_size=12)
)
def test_any_sequence_cut_anywhere_gives_the_same(
    parts: list[tuple[bytes, list[Item]]], cuts: list[int]
) -> None:
    assert _decode(b"".join(part[0] for part in parts), cuts) == [item for part in parts for item in part[1]]


FORBIDDEN = pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\xc1\x00", id="compressed, which was not agreed on"),
        pytest.param(b"\x83\x00", id="unknown opcode"),
        pytest.param(b"\x81\x80abcd", id="masked"),
        pytest.param(b"\x09\x00", id="ping in parts"),
        pytest.param(frame(b"x" * 126, PING), id="ping too long"),
        pytest.param(frame(b"x", CONTINUATION), id="rest of nothing"),
        pytest.param(frame(b"x", final=False) + frame(b"y"), id="message within a message"),
        pytest.param(b"\x81\x7f\xff" + b"\xff" * 7, id="length beyond 63 bits"),
        pytest.param(frame(b"\x03", CLOSE), id="half a close code"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="not a frame at all"),
    ],
)


@FORBIDDEN
def test_what_the_protocol_forbids_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        _decode(stream)


@FORBIDDEN
def test_what_was_whole_before_the_fault_is_given_first(stream: bytes) -> None:
    given: list[Item] = []
    with pytest.raises(ProtocolError):
        given += FrameDecoder(LIMIT).feed(b"".join(whole for whole, _ in STREAM) + stream)
    expected = [item for _, items in STREAM for item in items]
    assert given[: len(expected)] == expected


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_give_items_or_a_protocol_error(stream: bytes, cuts: list[int]) -> None:
    try:
        items = _decode(stream, cuts)
    except ProtocolError:
        return
    assert all(len(item.data) <= LIMIT for item in items if isinstance(item, WholeMessage))


def test_a_message_that_is_too_long_is_never_held() -> None:
    # Given a frame that announces 2^40 bytes
    decoder = FrameDecoder(LIMIT)
    assert list(decoder.feed(b"\x82\x7f" + (1 << 40).to_bytes(8))) == []
    # When many of them come in
    for _ in range(100):
        assert list(decoder.feed(b"x" * 65_536)) == []
    # Then only the beginning was kept
    assert len(decoder._buffer) == 0
    assert decoder._parts is not None
    assert len(decoder._parts) == 4096


def test_of_a_message_in_parts_that_becomes_too_long_only_the_beginning_stays() -> None:
    decoder = FrameDecoder(10_000)
    for part in (frame(b"x" * 9_000, final=False), frame(b"y" * 9_000, CONTINUATION, final=False)):
        assert list(decoder.feed(part)) == []
    assert bytes(decoder._parts or b"") == b"x" * 4096
    assert list(decoder.feed(frame(b"z", CONTINUATION))) == [OversizedMessage(b"x" * 4096, 18_001)]
