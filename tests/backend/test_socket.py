"""Tests of the WebSocket interface, with a real server and a real client."""

import asyncio
import json
import socket
import sqlite3
import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest
import websocket
from sqlalchemy.exc import OperationalError
from starlette.websockets import WebSocket

from backend.socket import Connection
from serving import sockets
from tests.backend.conftest import TOKEN, Running

Start = Callable[..., Running]
LOCKED = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))
SMALL_WINDOW = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096),)


def test_a_client_is_welcomed_and_hears_what_happens(running: Running) -> None:
    client = running.bare_socket()
    welcome = client.hear()
    assert welcome == {
        "type": "welcome",
        "server": "agent-coordinator-backend",
        "instance": running.runtime.instance,
        "last_seq": 0,
        "acks": True,
    }
    answer = client.subscribe(channels=["tasks", "subtasks", "agents"])
    assert answer == {
        "type": "subscribed",
        "channels": ["tasks", "subtasks", "agents"],
        "since": 0,
        "last_seq": 0,
        "live": False,
    }
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}])
    first, second = client.hear_all(2)
    assert (first["seq"], first["event_type"], first["payload"]["id"]) == (1, "task.created", "T")
    assert (second["seq"], second["event_type"], second["payload"]["task_id"]) == (2, "subtask.created", "T")
    assert set(first) == {"id", "seq", "event_type", "timestamp", "payload"}


def test_it_says_when_all_that_was_missed_is_sent(running: Running) -> None:
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}])
    client = running.socket()
    client.subscribe(since=1)
    assert client.hear_any()["seq"] == 2
    assert client.hear_any() == {"type": "live", "seq": 2}
    running.create(id="later")
    assert client.hear_any()["seq"] == 3


def test_without_since_only_what_comes_is_heard(running: Running) -> None:
    running.create(id="before")
    client = running.socket()
    assert client.subscribe()["since"] == 1
    running.create(id="after")
    assert client.hear()["payload"]["id"] == "after"


def test_the_channels_are_those_asked_for(running: Running) -> None:
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}])
    client = running.socket()
    client.subscribe(since=0, channels=["subtasks"])
    running.http.post("/api/agents/x/messages", json={"message": "hi"})
    running.http.post("/api/subtasks/A/complete")  # completes the task too
    assert [event["event_type"] for event in client.hear_all(2)] == ["subtask.created", "subtask.completed"]
    # Subscribed again, it is served from the point that it then names.
    client.subscribe(since=2, channels=["tasks", "agents"])
    assert [event["event_type"] for event in client.hear_all(2)] == ["agent.message", "task.completed"]


def test_who_subscribes_twice_at_once_is_served_once(running: Running) -> None:
    running.create(id="T")
    client = running.socket()
    # When the second wish is there before the first is served
    wish = json.dumps({"type": "subscribe", "channels": ["tasks"], "since": 0})
    frames = [websocket.ABNF.create_frame(wish, websocket.ABNF.OPCODE_TEXT).format() for _ in range(2)]
    assert client.raw.sock is not None
    client.raw.sock.sendall(b"".join(frames))
    # Then the history comes after both answers, once
    heard = [client.hear_any() for _ in range(4)]
    assert [each.get("type") or each["event_type"] for each in heard] == [
        "subscribed", "subscribed", "task.created", "live",
    ]  # fmt: skip


def test_no_gap_and_no_double_where_the_history_meets_what_happens(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a history of many small pages, and writers that go on while it is replayed.
    monkeypatch.setattr("backend.queries.PAGE_EVENTS", 7)
    running.create(subtasks=[{"title": f"s{number}"} for number in range(200)])
    total = 201 + 2 * 100

    def write() -> None:
        for _ in range(100):
            assert running.http.post("/api/agents/x/messages", json={"message": "m"}).status_code == 201

    writers = [threading.Thread(target=write) for _ in range(2)]
    clients = [running.socket() for _ in range(3)]
    for writer in writers:
        writer.start()
    # When: clients join at different points of it.
    for client, since in zip(clients, (0, 100, 200), strict=True):
        client.subscribe(since=since)
        heard = [client.hear()["seq"] for _ in range(total - since)]
        # Then: each hears every event after its point once, in order.
        assert heard == list(range(since + 1, total + 1))
    for writer in writers:
        writer.join()


def test_a_publication_is_acknowledged_and_broadcast_under_its_key(running: Running) -> None:
    running.create(id="T", subtasks=[{"id": "A", "title": "a"}, {"id": "B", "title": "b"}])
    listener, publisher = running.socket(), running.socket()
    listener.subscribe()
    event = {
        "id": "key-1",
        "event_type": "subtask.completed",
        "payload": {"id": "A", "completion_summary": "s"},
    }
    publisher.say(**event)
    assert publisher.hear() == {"type": "ack", "id": "key-1", "seq": 4}
    heard = listener.hear()
    assert (heard["id"], heard["seq"], heard["payload"]["completion_summary"]) == ("key-1", 4, "s")
    # The same key again, from anybody, is the same acknowledgement and no event.
    listener.say(**event)
    assert listener.hear() == {"type": "ack", "id": "key-1", "seq": 4}
    # Another key for what is done already, too.
    publisher.say(**{**event, "id": "key-2"})
    assert publisher.hear() == {"type": "ack", "id": "key-2", "seq": 4}
    running.http.post("/api/agents/x/messages", json={"message": "next"})
    assert listener.hear()["seq"] == 5


def test_the_same_key_from_many_at_once_is_one_event(running: Running) -> None:
    publishers = [running.socket() for _ in range(8)]
    event = {"id": "k", "event_type": "agent.message", "payload": {"agent": "x", "message": "hi"}}
    for publisher in publishers:
        publisher.say(**event)
    assert [publisher.hear() for publisher in publishers] == [{"type": "ack", "id": "k", "seq": 1}] * 8
    assert running.http.get("/healthz").json()["last_seq"] == 1


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"id": "k", "event_type": "subtask.completed", "payload": {"id": "nope"}}, "unknown_subtask"),
    ({"id": "k", "event_type": "task.completed", "payload": {"id": "nope"}}, "unknown_task"),
    ({"id": "k", "event_type": "task.exploded", "payload": {}}, "invalid"),
    ({"id": "k", "event_type": "subtask.completed", "payload": 7}, "invalid"),
    ({"id": 7, "event_type": "subtask.completed", "payload": {}}, "invalid"),
    ({"event_type": "subtask.completed", "payload": {}}, "invalid"),
    ({"id": "k", "event_type": None}, "invalid"),
]


def test_what_can_not_be_applied_is_refused_by_its_key(running: Running) -> None:
    client = running.socket()
    for event, code in REFUSED:
        client.say(**event)
        refusal = client.hear()
        assert (refusal["type"], refusal["id"], refusal["code"]) == ("nack", event.get("id"), code)
        assert refusal["error"]


@pytest.mark.expected_errors("backend.publish.failed")
def test_a_failure_inside_is_a_refusal_that_can_be_tried_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret")

    client = running.socket()
    event = {"id": "k", "event_type": "agent.message", "payload": {"agent": "x", "message": "hi"}}
    with monkeypatch.context() as patch:
        patch.setattr(running.runtime.service, "publish", fail)
        client.say(**event)
        refusal = client.hear()
    assert (refusal["type"], refusal["code"]) == ("nack", "unavailable")
    assert "secret" not in refusal["error"]
    client.say(**event)
    assert client.hear()["type"] == "ack"


@pytest.mark.expected_errors("backend.publish.failed")
def test_a_database_that_is_locked_is_a_refusal_that_can_be_tried_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.runtime.service, "publish", Mock(side_effect=LOCKED))
    client = running.socket()
    client.say(id="k", event_type="agent.message", payload={"agent": "x", "message": "hi"})
    assert client.hear()["code"] == "unavailable"


@pytest.mark.expected_errors("backend.publish.failed")
def test_a_fault_that_the_event_meets_each_time_is_told_apart(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.runtime.service, "publish", Mock(side_effect=KeyError("secret")))
    client = running.socket()
    client.say(id="k", event_type="agent.message", payload={"agent": "x", "message": "hi"})
    refusal = client.hear()
    assert refusal["code"] == "failed"
    assert "secret" not in refusal["error"]


GARBAGE = [
    b"{",
    b"7",
    b"[]",
    b"null",
    b"",
    b'{"type": "jump"}',
    b'{"type": ["ping"]}',
    b"[" * 5_000,
    b'{"type": "subscribe", "channels": ["weather"]}',
    b'{"type": "subscribe", "channels": []}',
    b'{"type": "subscribe", "since": -1}',
    b'{"type": "subscribe", "since": "x"}',
    b'{"type": "subscribe", "since": 99999999999999999999999999}',
    b"\xff\xfe\x00garbage",
]


def test_garbage_is_answered_and_the_connection_stays(running: Running) -> None:
    client = running.socket()
    for raw in GARBAGE:
        client.raw.send_binary(raw)
        assert client.hear()["type"] == "error", raw
        client.say(type="ping")
        assert client.hear() == {"type": "pong"}


def test_text_that_is_no_text_closes_that_connection_alone(running: Running) -> None:
    witness, client = running.socket(), running.socket()
    client.raw.send(b"\xff\xfe", opcode=websocket.ABNF.OPCODE_TEXT)
    assert client.close_code() == 1007
    witness.say(type="ping")
    assert witness.hear() == {"type": "pong"}


def test_a_message_that_is_too_large_closes_that_connection_alone(running: Running) -> None:
    witness, client = running.socket(), running.socket()
    # The header alone says how large it would be: 2 to the 25.
    client.sock.sendall(b"\x81\xff" + (2**25).to_bytes(8, "big") + b"mask" + b"x" * 1_000)
    assert client.close_code() == 1009
    witness.say(type="ping")
    assert witness.hear() == {"type": "pong"}


def test_a_large_message_passes(running: Running) -> None:
    client = running.socket()
    client.subscribe()
    payload = {"agent": "x", "message": "é" * 1_000_000, "padding": "x" * 10_000_000}
    client.say(id="k", event_type="agent.message", payload=payload)
    answers = {each.get("type", "event"): each for each in client.hear_all(2)}
    assert answers["ack"]["seq"] == 1
    assert answers["event"]["payload"]["message"] == payload["message"]


def test_a_wrong_token_is_refused_at_the_handshake(running: Running) -> None:
    wrong: list[tuple[str, list[str]]] = [
        ("/ws", []),
        ("/ws", ["Authorization: Bearer wrong"]),
        ("/ws", [f"Authorization: {TOKEN}"]),
        ("/ws?token=wrong", []),
    ]
    for path, header in wrong:
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            running.bare_socket(path, header=header)
        assert refused.value.status_code == 403


def test_the_token_may_come_in_the_address(running: Running) -> None:
    assert running.bare_socket(f"/ws?token={TOKEN}", header=[]).hear()["type"] == "welcome"


def test_who_does_not_keep_up_is_dropped_and_slows_nobody(start: Start) -> None:
    # Given: room for 100,000 characters, one that listens and one that never reads.
    running = start(queue_limit=100_000)
    slow, listener = running.socket(sockopt=SMALL_WINDOW), running.socket()
    slow.subscribe(since=0)
    listener.subscribe(since=0)
    # When: far more is told than the queue and the network's buffers hold.
    for number in range(120):
        body = {"message": "x" * 90_000}
        assert running.http.post("/api/agents/x/messages", json=body).status_code == 201
        assert listener.hear()["seq"] == number + 1
    # Then: the slow one finds a beginning without gaps, and that it was dropped.
    assert slow.hear_any() == {"type": "live", "seq": 0}
    heard: list[int] = []
    while (frame := slow.raw.recv_data())[0] == websocket.ABNF.OPCODE_TEXT:
        heard.append(json.loads(frame[1])["seq"])
    assert int.from_bytes(frame[1][:2], "big") == 1013
    assert heard == list(range(1, len(heard) + 1))
    # And: it comes back for the rest.
    again = running.socket()
    again.subscribe(since=heard[-1])
    assert [again.hear()["seq"] for _ in range(120 - heard[-1])] == list(range(heard[-1] + 1, 121))


def test_who_is_there_no_more_is_forgotten_with_all_that_was_on_its_way(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PATIENCE", 300)
    running = start()
    listener = running.socket()
    listener.subscribe(since=0)
    # Given: one that is pinged often, takes nothing in, and says nothing; more waits for it than the network takes.
    running.server.config.ws_ping_interval = running.server.config.ws_ping_timeout = 0.2
    gone = running.socket(sockopt=SMALL_WINDOW)
    gone.subscribe(since=0)
    for number in range(60):
        body = {"message": "x" * 90_000}
        assert running.http.post("/api/agents/x/messages", json=body).status_code == 201
        # Then: others hear of it at once.
        assert listener.hear()["seq"] == number + 1
    # And: nothing of it is left.
    running.wait_for(lambda: len(running.runtime.hub._subscriptions) == 1)
    running.wait_for(lambda: len(running.clients()) == 1)


def test_a_slow_reader_of_the_history_is_waited_for(start: Start) -> None:
    # Given: a history larger than the queue and all buffers.
    running = start(queue_limit=1_000)
    for _ in range(40):
        running.http.post("/api/agents/x/messages", json={"message": "x" * 200_000})
    client = running.socket(sockopt=SMALL_WINDOW)
    client.subscribe(since=0)
    # When: others go on meanwhile.
    assert running.http.post("/api/agents/x/messages", json={"message": "y"}).status_code == 201
    # Then: all of it comes, as fast as it is read.
    assert [client.hear()["seq"] for _ in range(41)] == list(range(1, 42))


def test_a_point_beyond_the_end_hears_what_comes(running: Running) -> None:
    client = running.socket()
    answer = client.subscribe(since=1_000)
    assert (answer["since"], answer["last_seq"]) == (1_000, 0)
    running.create(id="T")
    assert client.hear()["seq"] == 1


def test_a_client_that_vanishes_is_forgotten(running: Running) -> None:
    client = running.socket()
    client.subscribe()
    client.sock.close()
    witness = running.socket()
    witness.subscribe()
    running.create()
    assert witness.hear()["seq"] == 1


def test_what_can_not_be_sent_once_the_connection_is_over_is_no_failure(running: Running) -> None:
    async def fail() -> None:
        raise RuntimeError("a close message has been sent")

    async def end_and_fail() -> None:
        connection = Connection(Mock(WebSocket), running.runtime)
        connection._end(None)
        await connection._watch(fail)  # an error that is logged fails the test

    asyncio.run(end_and_fail())
