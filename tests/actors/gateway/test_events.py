"""The events' stream, over real HTTP."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.feed.log import FeedLog
from actors.gateway import events
from actors.protocol.feed import AgentActive, Cost, FeedGrew, Said
from actors.protocol.names import GATEWAY
from supervisors.drill import crash
from tests.actors.gateway.conftest import SECONDS, Gateway

StartGateway = Callable[..., Gateway]
LIMIT = 500_000


class Source:
    """The feed's side: writes facts, and says so."""

    def __init__(self, log: FeedLog, gateway: Gateway) -> None:
        self._log, self._gateway = log, gateway

    def say(self, *texts: str, agent: str = "coder", quietly: bool = False) -> int:
        """The agent says this; the number of the last fact."""
        for text in texts:
            last = self._log.write(
                [], [AgentActive(agent=agent, at=1.0, activities=(Said(text=text), Cost(usd=1)))]
            )
            self._log.prune()
        if not quietly:
            self._gateway.system.handle(GATEWAY).tell(FeedGrew())
        return last


@pytest.fixture
def gateway(start_gateway: StartGateway) -> Gateway:
    """A gateway of the test's own."""
    return start_gateway()


@pytest.fixture
def source(gateway: Gateway, tmp_path: Path) -> Iterator[Source]:
    """The writer of the feed that the gateway serves."""
    with closing(FeedLog(tmp_path / "feed.db", LIMIT)) as log:
        yield Source(log, gateway)


class Stream:
    """A client of the stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, Any]:
        """The next event: its id, its event and its data, as far as it has them."""
        found: dict[str, Any] = {}
        for line in self._lines:
            if not line and "data" in found:
                return found
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                found[name] = json.loads(value) if name == "data" else value
        raise EOFError

    def texts(self, count: int) -> list[str]:
        """Return the texts of the next so many events of that kind."""
        found: list[str] = []
        while len(found) < count:
            event = self.next()
            if event["event"] == "said":
                found.append(event["data"]["text"])
        return found

    def rest(self) -> int:
        """Count the events that still come, until the stream ends in order."""
        return sum(line.startswith("data: ") for line in self._lines)

    def comment(self) -> str:
        """The next comment."""
        return next(line for line in self._lines if line.startswith(":"))


@contextmanager
def follow(gateway: Gateway, query: str = "", last: int | str | None = None) -> Iterator[Stream]:
    """Follow the events."""
    headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": str(last)})
    with (
        gateway.http(gateway.tokens.operator) as http,
        http.stream("GET", f"/api/events{query}", headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def test_it_follows_what_happens_from_now_on(gateway: Gateway, source: Source) -> None:
    source.say("before")
    with follow(gateway) as stream:
        last = source.say("after")
        assert stream.next() == {
            "id": str(last - 1),
            "event": "said",
            "data": {"at": 1.0, "agent": "coder", "text": "after"},
        }
        assert stream.next()["id"] == str(last)


def test_it_replays_what_is_kept_and_goes_on_without_a_gap(gateway: Gateway, source: Source) -> None:
    texts = [str(number) for number in range(1500)]
    source.say(*texts[:700], quietly=True)
    with follow(gateway, "?after=0") as stream:
        assert stream.texts(350) == texts[:350]
        source.say(*texts[700:])
        assert stream.texts(1150) == texts[350:]


def test_it_goes_on_behind_the_last_event_that_was_seen(gateway: Gateway, source: Source) -> None:
    texts = [str(number) for number in range(400)]
    seen: list[str] = []
    last: int | str = 0
    for first in range(0, 400, 100):
        source.say(*texts[first : first + 100])
        # The header is newer than the address that a client began with
        with follow(gateway, "?after=0", last) as stream:
            for _ in range(150):
                event = stream.next()
                last = event["id"]
                seen += [event["data"]["text"]] if event["event"] == "said" else []
    with follow(gateway, "?after=0", last) as stream:
        seen += stream.texts(len(texts) - len(seen))
    assert seen == texts


def test_it_shows_only_what_is_asked_for(gateway: Gateway, source: Source) -> None:
    with follow(gateway, "?after=0&agent=tester&kind=said&kind=error") as stream:
        for agent in ("coder", "tester", "coder", "tester"):
            source.say(agent, agent=agent)
        assert [stream.next()["data"]["text"] for _ in range(2)] == ["tester", "tester"]


def test_what_was_asked_for_and_is_gone_is_a_gap(gateway: Gateway, source: Source) -> None:
    first = source.say("seen") - 1
    source.say(*("x" * 10_000 for _ in range(70)))
    with follow(gateway, last=first) as stream:
        gap = stream.next()
        assert (gap["event"], gap["data"]["from"], "id" in gap) == ("gap", first + 1, False)
        # And what is kept follows at once
        assert int(stream.next()["id"]) == gap["data"]["to"] + 1
    last = source.say("x")
    with follow(gateway, f"?after={last - 2}") as stream:
        assert stream.next()["id"] == str(last - 1)


def test_a_slow_client_keeps_nobody_waiting(gateway: Gateway, source: Source) -> None:
    with follow(gateway, "?after=0"), follow(gateway, "?after=0") as quick:
        for number in range(300):
            source.say(f"{number} " + "x" * 5000)
            assert quick.texts(1)[0].startswith(f"{number} ")


def test_somebody_who_hears_nothing_is_sent_a_comment(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        events.EventStreams.__init__, "__kwdefaults__", {"streams": 1, "heartbeat_seconds": 0.01}
    )
    gateway = start_gateway()
    with follow(gateway) as stream:
        assert stream.comment() == stream.comment() == ": nothing new"


def test_there_is_a_bound_to_how_many_follow(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        events.EventStreams.__init__, "__kwdefaults__", {"streams": 3, "heartbeat_seconds": 0.01}
    )
    gateway = start_gateway()
    with gateway.http(gateway.tokens.operator) as http, ExitStack() as stack:
        streams = [stack.enter_context(follow(gateway)) for _ in range(3)]
        refused = http.get("/api/events")
        assert (refused.status_code, "close one of them" in refused.text) == (503, True)
        assert streams[0].comment()
        # Who goes makes room
        stack.close()
        for _ in range(1000):
            with http.stream("GET", "/api/events") as response:
                if response.status_code == 200:
                    break
        else:
            raise AssertionError("there is no room")


@pytest.mark.parametrize("token", ["", "operator.0000", "agent"])
def test_only_the_operator_may(gateway: Gateway, token: str) -> None:
    with gateway.http(gateway.tokens.for_agent("coder") if token == "agent" else token) as http:
        assert http.get("/api/events").status_code == 401


@pytest.mark.parametrize(
    ("query", "last", "word"),
    [
        ("?after=-1", None, "after"),
        ("?after=many", None, "after"),
        ("?agent=../coder", None, "agent"),
        ("?kind=event&kind=nonsense", None, "kind"),
        ("", "yesterday", "Last-Event-ID"),
        (f"?after={10**30}", None, "after"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_words(
    gateway: Gateway, query: str, last: str | None, word: str
) -> None:
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.get(f"/api/events{query}", headers={} if last is None else {"Last-Event-ID": last})
    assert answer.status_code == 422
    assert word.lower() in answer.json()["detail"].lower()


def test_a_file_that_cannot_be_read_is_said(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "feed.db").write_bytes(b"garbage " * 1000)
    with gateway.http(gateway.tokens.operator) as http:
        answer = http.get("/api/events")
    assert (answer.status_code, "can't be read" in answer.text) == (503, True)


def test_a_stop_ends_all_streams_at_once_and_in_order(gateway: Gateway, source: Source) -> None:
    source.say("x")
    with follow(gateway) as waiting, follow(gateway, "?after=0") as other:
        assert [other.next()["event"] for _ in range(2)] == ["said", "cost"]
        assert gateway.system.stop(SECONDS) == []
        # The stream ends, and isn't cut off
        for stream in (waiting, other):
            assert stream.rest() == 0


def test_a_stop_is_prompt_with_a_client_that_reads_nothing(gateway: Gateway, source: Source) -> None:
    for number in range(90):
        source.say(str(number) + "x" * 50_000, agent=f"agent-{number}", quietly=True)
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as deaf:
        token = gateway.tokens.operator
        deaf.sendall(
            f"GET /api/events?after=0 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        assert deaf.recv(4)
        assert gateway.system.stop(SECONDS) == []


@pytest.mark.expected_errors("child_exited")
def test_after_a_crash_of_the_gateway_clients_go_on(gateway: Gateway, source: Source) -> None:
    with follow(gateway, "?after=0") as stream:
        source.say("a")
        last = stream.next()["id"]
        crash(gateway.system, GATEWAY, RuntimeError("drill"))
        gateway.wait_for_exit()
    source.say("b")
    with follow(gateway, last=last) as stream:
        assert stream.texts(1) == ["b"]
