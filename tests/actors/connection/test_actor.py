"""Tests of the connection actor, between a recording router and a backend that the test plays."""

import functools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from actors.connection import ConnectionActor, actor, websocket_io
from actors.connection.actor import CHANNELS
from actors.connection.client import Epoch, MessageReceived, SocketClosed, SocketFailed, SocketOpened
from actors.connection.dialects import dialect as dialect_module
from actors.lib.program import command
from actors.protocol.backend import (
    BackendChanged,
    BackendOpened,
    ConnectNow,
    EventReceived,
    InputRejected,
    PublicationConfirmed,
    PublicationRefused,
    PublicationSent,
    Publish,
    ReplayChanged,
    ResendPublications,
    Resume,
)
from actors.protocol.events import NodeCreated
from actors.protocol.names import CONNECTION, ROUTER
from actors.protocol.router import RouterStarted
from supervisors import ActorContext, Backoff, System
from supervisors.drill import crash
from tests.actors.connection.peer import SOON, Listener, Peer, frame
from tests.actors.support import DEADLINE, Record, child, recorder, running

WELCOME = {"type": "welcome", "server": "test", "instance": "db-1", "last_seq": 5, "acks": True}
EVENT = {"id": "e-1", "seq": 6, "event_type": "subtask.created", "payload": {"id": "A"}}
PUBLISH = Publish(key="k-1", event_type="subtask.completed", payload={"id": "A", "completion_summary": "ü"})


def _resume(since: int | None) -> Callable[[ActorContext, Any], None]:
    def _react(context: ActorContext, message: object) -> None:
        if isinstance(message, BackendOpened):
            context.system.handle(CONNECTION).tell(Resume(since=since, connection=message.connection))

    return _react


@contextmanager
def _connected(
    url: str,
    record: Record,
    react: Callable[[ActorContext, Any], None] | None = None,
    **options: Any,
) -> Iterator[System]:
    """Start a connection actor beside a router."""
    start = functools.partial(
        ConnectionActor, url=url, **{"welcome_seconds": DEADLINE, "backoff": SOON, **options}
    )
    with running(recorder(ROUTER, record, react), child(CONNECTION, start)) as system:
        yield system


@contextmanager
def _ready(listener: Listener, record: Record, welcome: dict[str, Any]) -> Iterator[tuple[System, Peer]]:
    """Start one that is connected and welcomed."""
    with _connected(listener.url, record) as system, listener.open() as peer:
        peer.send(welcome)
        record.wait_for(BackendOpened)
        yield system, peer


def test_welcome_resume_and_events(listener: Listener) -> None:
    # Given a router that has seen the events up to 5
    record = Record()
    with _connected(listener.url, record, _resume(5), token="s3cret"), listener.open() as peer:
        # When the backend introduces itself
        peer.send(WELCOME)
        # Then the client subscribes from there
        assert peer.receive_json() == {"type": "subscribe", "channels": CHANNELS, "since": 5}
        opened = record.wait_for(BackendOpened)
        assert (opened.instance, opened.acks, opened.connection) == ("db-1", True, (1, 1))
        # And events reach the router
        peer.send(EVENT)
        received = record.wait_for(EventReceived)
        assert received.event == NodeCreated(key="e-1", seq=6, entity="subtask", id="A")
        assert received.source == "backend"
    states = [change.state for change in record.all(BackendChanged)]
    assert states[:2] == ["connecting", "open"]
    assert record.all(InputRejected) == []


def test_the_router_hears_when_a_replay_begins_and_ends(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (_, peer):
        # A backend that will say so
        peer.send({"type": "subscribed", "since": 5, "last_seq": 6, "live": False})
        peer.send(EVENT)
        peer.send({"type": "live", "seq": 6})
        record.wait_for(ReplayChanged, lambda change: not change.running)
        told = record.all(ReplayChanged) + record.all(EventReceived)
        assert [type(message).__name__ for message in told] == [
            "ReplayChanged",
            "ReplayChanged",
            "EventReceived",
        ]
        # And one that won't: it must not be waited for
        peer.send({"type": "subscribed", "since": 5})
        peer.send({**EVENT, "id": "e-2"})
        record.wait_for(EventReceived, nth=2)
        assert len(record.all(ReplayChanged)) == 2


def test_a_router_that_knows_nothing_yet_asks_for_what_comes_from_now_on(listener: Listener) -> None:
    with _connected(listener.url, Record(), _resume(None)), listener.open() as peer:
        peer.send(WELCOME)
        assert peer.receive_json() == {"type": "subscribe", "channels": CHANNELS}


def test_a_backend_without_a_welcome_is_noticed_by_its_silence(listener: Listener) -> None:
    record = Record()
    with _connected(listener.url, record, _resume(None), welcome_seconds=0.02), listener.open() as peer:
        assert peer.receive_json()["type"] == "subscribe"
        assert record.wait_for(BackendOpened) == BackendOpened(acks=False, connection=(1, 1))


def test_a_backend_without_a_welcome_is_noticed_by_its_first_message(listener: Listener) -> None:
    record = Record()
    with _connected(listener.url, record), listener.open() as peer:
        peer.send(EVENT)
        record.wait_for(EventReceived)
        first, second = record.all(BackendOpened), record.all(EventReceived)
        assert first == [BackendOpened(acks=False, connection=(1, 1))]
        assert [message for message in record.all(object) if message in (*first, *second)] == [
            *first,
            *second,
        ]


def test_a_welcome_that_is_late_counts_all_the_same(listener: Listener) -> None:
    # Given a backend that was taken for one that doesn't introduce itself
    record = Record()
    with _connected(listener.url, record, _resume(5), welcome_seconds=0.02), listener.open() as peer:
        assert peer.receive_json()["type"] == "subscribe"
        # When it does (and over a bad network, twice)
        peer.send(WELCOME)
        peer.send(WELCOME)
        # Then the router begins anew with what it now knows, once
        assert peer.receive_json()["type"] == "subscribe"
        peer.send(EVENT)
        record.wait_for(EventReceived)
    assert [(opened.instance, opened.acks) for opened in record.all(BackendOpened)] == [
        (None, False),
        ("db-1", True),
    ]


def test_each_connection_is_resumed_from_where_the_router_is_by_then(listener: Listener) -> None:
    record = Record()
    cursors = iter([5, 9])

    def _react(context: ActorContext, message: object) -> None:
        if isinstance(message, BackendOpened):
            answer = Resume(since=next(cursors), connection=message.connection)
            context.system.handle(CONNECTION).tell(answer)

    with _connected(listener.url, record, _react):
        for number, since in enumerate([5, 9], start=1):
            with listener.open() as peer:
                peer.send(WELCOME)
                assert peer.receive_json()["since"] == since
            closed = record.wait_for(BackendChanged, lambda change: change.state == "closed", nth=number)
            assert closed.detail.startswith("it hung up without a close frame; next attempt in ")


def test_an_answer_to_an_earlier_connection_counts_for_nothing(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, peer):
        system.handle(CONNECTION).tell(Resume(since=1, connection=(1, 0)))
        system.handle(CONNECTION).tell(Resume(since=2, connection=(1, 1)))
        assert peer.receive_json()["since"] == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"type": "ack", "id": "k-1", "seq": 7}, PublicationConfirmed(key="k-1")),
        (
            {"type": "nack", "id": "k-1", "code": "unknown_subtask", "error": "no A"},
            PublicationRefused(key="k-1", reason="unknown_subtask: no A"),
        ),
    ],
)
def test_publishing_to_a_backend_that_acknowledges(
    listener: Listener, answer: dict[str, Any], told: PublicationConfirmed | PublicationRefused
) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, peer):
        system.handle(CONNECTION).tell(PUBLISH)
        sent = peer.receive_json()
        assert sent.pop("timestamp").endswith("+00:00")
        assert sent == {"id": "k-1", "event_type": PUBLISH.event_type, "payload": PUBLISH.payload}
        peer.send(answer)
        assert record.wait_for(type(told)) == told
        assert record.all(PublicationSent) == []


def _outbox(keys: list[str]) -> Callable[[ActorContext, Any], None]:
    """Return a router that publishes what waits whenever the backend is ready."""

    def _react(context: ActorContext, message: object) -> None:
        if isinstance(message, PublicationConfirmed):
            keys.remove(message.key)
        if isinstance(message, BackendOpened):
            context.system.handle(CONNECTION).tell(Resume(since=7, connection=message.connection))
        if isinstance(message, BackendOpened | ResendPublications):
            for key in keys:
                context.system.handle(CONNECTION).tell(
                    Publish(key=key, event_type="task.completed", payload={})
                )

    return _react


def _nack(key: str) -> dict[str, str]:
    return {"type": "nack", "id": key, "code": "unavailable", "error": "locked"}


def test_what_a_backend_can_not_take_now_is_published_again_in_order_without_a_storm(
    listener: Listener,
) -> None:
    record, keys = Record(), ["k-1", "k-2", "k-3"]
    with _connected(listener.url, record, _outbox(keys)), listener.open() as peer:
        peer.send(WELCOME)
        assert peer.receive_json()["type"] == "subscribe"
        assert [peer.receive_json()["id"] for _ in range(3)] == ["k-1", "k-2", "k-3"]
        # When the backend can take none of them
        for key in ("k-1", "k-2", "k-3"):
            peer.send(_nack(key))
        # Then the first is tried by itself, and while that is not taken no other
        for _ in range(3):
            assert peer.receive_json()["id"] == "k-1"
            peer.send(_nack("k-1"))
        assert peer.receive_json()["id"] == "k-1"
        peer.send({"type": "ack", "id": "k-1"})
        # And then all others
        assert [peer.receive_json()["id"] for _ in range(2)] == ["k-2", "k-3"]
    assert record.all(PublicationRefused) == []
    assert keys == ["k-2", "k-3"]
    # Which needs no further subscription: one after each pause, and one for those behind the first
    assert len(record.all(BackendOpened)) == 1
    assert len(record.all(ResendPublications)) == 5


def test_a_new_connection_tries_one_too(listener: Listener) -> None:
    record, gate_pauses = Record(), True
    options = {
        "backoff": Backoff(initial=3600.0, maximum=3600.0),  # the pause itself is never over
        "jitter": lambda _, bound: bound if gate_pauses else 0.0,
    }
    with _connected(listener.url, record, _outbox(["k-1", "k-2"]), **options) as system:
        with listener.open() as peer:
            peer.send(WELCOME)
            assert [peer.receive_json().get("id") for _ in range(3)] == [None, "k-1", "k-2"]
            peer.send(_nack("k-1"))
            peer.send(EVENT)
            record.wait_for(EventReceived)
            gate_pauses = False
        system.handle(CONNECTION).tell(ConnectNow())
        with listener.open() as peer:
            peer.send(WELCOME)
            assert [peer.receive_json().get("id") for _ in range(2)] == [None, "k-1"]
            peer.send({"type": "ack", "id": "k-1"})
            assert peer.receive_json()["id"] == "k-2"


def test_publishing_to_a_backend_that_does_not_acknowledge(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, {**WELCOME, "acks": False}) as (system, peer):
        system.handle(CONNECTION).tell(PUBLISH)
        assert peer.receive_json()["id"] == "k-1"
        assert record.wait_for(PublicationSent) == PublicationSent(key="k-1")


def test_a_backend_that_tells_flat_events_is_published_flat_ones(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, peer):
        # Given a backend that has told a flat event
        peer.send({"event": "subtask.created", "subtask_id": "A"})
        record.wait_for(EventReceived)
        # When something is published
        system.handle(CONNECTION).tell(PUBLISH)
        # Then it is flat too, under its key
        sent = peer.receive_json()
        assert sent.pop("timestamp").endswith("+00:00")
        assert sent == {
            "event": "subtask.completed",
            "subtask_id": "A",
            "completion_summary": "ü",
            "idempotency_key": "k-1",
        }
        # And what such an event has no place for is refused
        system.handle(CONNECTION).tell(Publish(key="k-2", event_type="task.completed", payload={"seq": 1}))
        refused = record.wait_for(PublicationRefused)
        assert (refused.key, refused.reason) == (
            "k-2",
            "a flat event has no place for a field that is called seq",
        )


def test_what_is_published_without_a_connection_is_dropped(listener: Listener) -> None:
    record = Record()
    with _connected(listener.url, record) as system:
        system.handle(CONNECTION).tell(PUBLISH)
        with listener.open() as peer:
            record.wait_for(BackendChanged, lambda change: change.state == "open")
            system.handle(CONNECTION).tell(PUBLISH)  # nor before the backend is known
            peer.send(WELCOME)
            record.wait_for(BackendOpened)
            system.handle(CONNECTION).tell(Publish(key="k-2", event_type="task.completed", payload={}))
            assert peer.receive_json()["id"] == "k-2"


@pytest.mark.parametrize("payload", [{"text": "\ud800"}, {"number": 2**70}, {"thing": object()}])
def test_what_no_backend_could_take_is_refused(listener: Listener, payload: dict[str, Any]) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, _):
        system.handle(CONNECTION).tell(Publish(key="k", event_type="task.completed", payload=payload))
        refused = record.wait_for(PublicationRefused)
        assert refused.reason.startswith("it can't be written as JSON: ")


def test_a_publication_that_is_too_long_is_refused(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect_module, "MAX_MESSAGE", 100)
    record = Record()
    with _ready(listener, record, WELCOME) as (system, _):
        system.handle(CONNECTION).tell(
            Publish(key="k", event_type="task.completed", payload={"a": "x" * 100})
        )
        assert record.wait_for(PublicationRefused).reason == "it is longer than 100 bytes"


def test_input_that_cannot_be_used_is_rejected_with_its_beginning(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (_, peer):
        peer.socket.sendall(frame(b"\xff" * 10_000))
        rejected = record.wait_for(InputRejected)
        assert (rejected.origin, rejected.raw, rejected.size) == ("socket", b"\xff" * 4096, 10_000)
        assert rejected.reason.startswith("not JSON: ")
        # And it stops nothing
        peer.send(EVENT)
        record.wait_for(EventReceived)


def test_junk_is_kept_once_and_counted(
    listener: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "_COUNT_SECONDS", 0.1)
    record = Record()
    with _ready(listener, record, WELCOME) as (_, peer):
        for _ in range(100):
            peer.socket.sendall(frame(b"{junk") * 10)
        record.wait_until(
            lambda: [True] if sum(each.count for each in record.all(InputRejected)) == 1000 else [], "count"
        )
        # Then the router isn't told of each, and neither is the log
        assert len(record.all(InputRejected)) < 100
        assert sum("input_rejected" in each.getMessage() for each in caplog.records) <= 1
        peer.send(EVENT)
        record.wait_for(EventReceived)


def test_an_event_of_which_a_part_was_dropped_is_used_and_reported(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (_, peer):
        peer.send(
            {
                **EVENT,
                "payload": {"id": "A", "assignees": ["../escaped", "coder"], "title": 5.5, "details": []},
            }
        )
        event = record.wait_for(EventReceived).event
        assert isinstance(event, NodeCreated)
        assert event.assignees == ("coder",)
        assert record.wait_for(InputRejected).reason == (
            "details: a list is no text; assignees: '../escaped' is no valid agent name: give the name of its"
            " prompt's file, such as coding-agent"
        )


def test_a_message_that_is_too_long_is_rejected_with_its_size(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_io, "MAX_MESSAGE", 50_000)
    record = Record()
    with _ready(listener, record, WELCOME) as (_, peer):
        peer.socket.sendall(frame(b"y" * 60_000))
        rejected = record.wait_for(InputRejected)
        assert (rejected.size, rejected.raw) == (60_000, b"y" * 4096)
        peer.send(EVENT)
        record.wait_for(EventReceived)


def test_a_refusal_is_told_as_what_it_is(listener: Listener) -> None:
    record = Record()
    with _connected(f"{listener.url}?token=s3cret", record, token="t0ken"):
        with listener.accept() as peer:
            peer.answer("403 Forbidden")
        refused = record.wait_for(BackendChanged, lambda change: change.state == "refused")
    assert (
        refused.detail == "HTTP 403: the token is missing, wrong or not allowed here; next attempt in 30.0 s"
    )
    assert "s3cret" not in repr(record.all(object))
    assert "t0ken" not in repr(record.all(object))


def test_giving_up_is_told_and_it_tries_again_where_a_person_asks_for_it() -> None:
    with Listener() as free:
        url, port = free.url, free.port
    record = Record()
    with _connected(url, record, max_reconnect_attempts=2) as system:
        given_up = record.wait_for(BackendChanged, lambda change: change.state == "given_up")
        assert given_up.detail == (
            f"nothing listens at 127.0.0.1:{port}; no further attempts until `{command('retry', 'backend')}`"
        )
        # When it is there again, and a person says so
        with Listener(port) as late:
            system.handle(CONNECTION).tell(ConnectNow())
            with late.open() as peer:
                # Then all goes on
                peer.send(WELCOME)
                record.wait_for(BackendOpened)


def test_a_new_router_is_told_how_things_stand(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, _):
        before = len(record.all(object))
        system.handle(CONNECTION).tell(RouterStarted())
        record.wait_for(BackendOpened, nth=2)
        assert [type(message) for message in record.all(object)[before:]] == [BackendChanged, BackendOpened]
        assert record.all(BackendChanged)[-1].state == "open"


def test_of_a_predecessors_connection_only_events_count(listener: Listener) -> None:
    # Given what an earlier incarnation's socket had told when it died
    record, stale = Record(), Epoch(incarnation=0, number=1)
    with _ready(listener, record, WELCOME) as (system, peer):
        handle = system.handle(CONNECTION)
        # When the present incarnation comes to it
        handle.tell(SocketClosed(stale, "gone", refused=False, retry_in=None))
        handle.tell(MessageReceived(stale, json.dumps({"type": "ack", "id": "k-0"}).encode()))
        handle.tell(MessageReceived(stale, json.dumps({**WELCOME, "instance": "db-0"}).encode()))
        handle.tell(SocketOpened(stale))
        handle.tell(MessageReceived(stale, json.dumps(EVENT).encode()))
        # Then the event is a fact, and the connection is untouched
        record.wait_for(EventReceived)
        handle.tell(PUBLISH)
        assert peer.receive_json()["id"] == "k-1"
        assert record.all(PublicationConfirmed) == []
        assert [opened.instance for opened in record.all(BackendOpened)] == ["db-1"]
        assert [change.state for change in record.all(BackendChanged)] == ["connecting", "open"]


@pytest.mark.expected_errors("child_exited")
def test_a_crash_ends_its_socket_and_the_next_incarnation_connects(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, peer):
        crash(system, CONNECTION, RuntimeError("drill"))
        assert peer.at_end()
        with listener.open() as second:
            second.send(WELCOME)
            assert record.wait_for(BackendOpened, nth=2).connection == (2, 1)


@pytest.mark.expected_errors("child_exited")
def test_a_reader_that_has_ended_by_a_fault_is_replaced(listener: Listener) -> None:
    record = Record()
    with _ready(listener, record, WELCOME) as (system, peer):
        system.handle(CONNECTION).tell(SocketFailed(Epoch(1, 1), RuntimeError("drill")))
        assert peer.at_end()
        with listener.open() as second:
            second.send(WELCOME)
            assert record.wait_for(BackendOpened, nth=2).connection == (2, 1)


def test_with_a_real_server() -> None:
    """Check it against another implementation: fragments, a big message, our own frames, both ways to close."""
    heard: list[Any] = []

    def _handler(connection: ServerConnection) -> None:
        connection.send(json.dumps(WELCOME))
        heard.append(json.loads(connection.recv()))
        whole = json.dumps({**EVENT, "payload": {"id": "B", "details": "ä" * 1_000_000}})
        connection.send([whole[:5], whole[5:500_000], whole[500_000:]])
        heard.append(json.loads(connection.recv()))
        connection.send(json.dumps({"type": "ack", "id": "k-1"}))

    record = Record()
    with serve(_handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with _connected(f"ws://127.0.0.1:{port}/", record, _resume(3)) as system:
            event = record.wait_for(EventReceived).event
            assert isinstance(event, NodeCreated)
            assert event.details == "ä" * 1_000_000
            system.handle(CONNECTION).tell(PUBLISH)
            record.wait_for(PublicationConfirmed)
            closed = record.wait_for(BackendChanged, lambda change: change.state == "closed")
            assert closed.detail.startswith("it closed the connection (1000)")
        server.shutdown()
        thread.join(DEADLINE)
    assert heard[0] == {"type": "subscribe", "channels": CHANNELS, "since": 3}
    assert heard[1]["id"] == "k-1"


CLOSE = 8


@pytest.mark.parametrize("secret", ["in-the-query", "in-the-url", "in-the-header"])
def test_a_secret_that_the_peer_quotes_is_not_passed_on(
    listener: Listener, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    record = Record()
    url = listener.url.replace("ws://", "ws://user:in-the-url@") + "?token=in-the-query"
    with _connected(url, record, token="in-the-header"), listener.open() as peer:
        peer.send(WELCOME)
        record.wait_for(BackendOpened)
        peer.socket.sendall(frame((4001).to_bytes(2) + f"no such token: {secret}".encode(), CLOSE))
        closed = record.wait_for(BackendChanged, lambda change: change.state == "closed")
    assert "no such token: ***" in closed.detail
    told = [each.detail for each in record.all(BackendChanged)]
    assert not [each for each in (*told, caplog.text) if "in-the" in each]
