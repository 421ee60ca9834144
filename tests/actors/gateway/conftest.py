"""The real gateway over real HTTP, and a router that a test scripts."""

import functools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.gateway.actor import GatewayActor
from actors.gateway.tokens import Tokens
from actors.protocol.names import GATEWAY, ROUTER
from actors.protocol.reports import Answer, Report
from serving import listen, url_of
from supervisors import Actor, ActorContext, Backoff, ChildSpec, ExitReport, Supervisor, System

SECONDS = 30.0
"""The deadline of each wait."""

Script = Callable[[Report], Answer | None]


class Office:
    """A scripted router: the messages it was told, and its answers; ``script`` answers None to keep silent."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.script: Script = lambda _report: Answer(ok=True, text="Recorded.")
        self.reports: list[Report] = []

    def take(self, report: Report) -> None:
        """Note the report and answer it."""
        with self._news:
            self.reports.append(report)
            self._news.notify_all()
        answer = self.script(report)
        if answer is not None and report.reply is not None:
            report.reply.set_result(answer)

    def wait_for(self, count: int) -> list[Report]:
        """The reports, once there are so many."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.reports) >= count, SECONDS)
            return list(self.reports)

    @property
    def last(self) -> Report:
        """The newest report, without its reply, so that it can be compared."""
        return self.reports[-1].model_copy(update={"reply": None})


class ScriptedRouter(Actor):
    """Stands under the router's name."""

    def __init__(self, context: ActorContext, *, office: Office) -> None:
        super().__init__(context)
        self._office = office

    def on_receive(self, message: Report) -> None:
        """Hand the report to the office."""
        self._office.take(message)


class Gateway:
    """A running gateway.

    Attributes:
        url: Its address.
        tokens: What it accepts.
        office: The router's side.
        exits: How incarnations of it ended.
    """

    def __init__(self, listener: socket.socket, feed: Path, **options: object) -> None:
        self.url = url_of(listener)
        self.tokens = Tokens(bytes(range(32)))
        self.office = Office()
        self.exits: list[ExitReport] = []
        self._news = threading.Condition()
        self._options: dict[str, Any] = {"listener": listener, "tokens": self.tokens, "feed": feed, **options}
        self.system = System(on_exit=self._ended)

    def start(self) -> None:
        """Start the router and the gateway; returns when both are there."""
        backoff = Backoff(initial=0.01, maximum=0.01)
        children = [
            ChildSpec(name=ROUTER, start=functools.partial(ScriptedRouter, office=self.office)),
            ChildSpec(name=GATEWAY, start=functools.partial(GatewayActor, **self._options), backoff=backoff),
        ]
        self.system.start(ChildSpec(name="root", start=functools.partial(Supervisor, children=children)))

    def wait_for_exit(self) -> ExitReport:
        """Return how the gateway's incarnation ended, once it has."""
        with self._news:
            assert self._news.wait_for(lambda: bool(self.exits), SECONDS)
            return self.exits[-1]

    def headers(self, token: str) -> dict[str, str]:
        """Return headers that carry this token."""
        return {"Authorization": f"Bearer {token}"}

    def http(self, token: str = "") -> httpx.Client:
        """A client that carries this token."""
        headers = self.headers(token) if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False)

    def _ended(self, report: ExitReport) -> None:
        if report.name == GATEWAY:
            with self._news:
                self.exits.append(report)
                self._news.notify_all()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as sock:
        yield sock


@pytest.fixture
def start_gateway(listener: socket.socket, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    started: list[Gateway] = []

    def start(**options: object) -> Gateway:
        gateway = Gateway(listener, tmp_path / "feed.db", **options)
        started.append(gateway)
        gateway.start()
        return gateway

    yield start
    assert [gateway.system.stop(SECONDS) for gateway in started] == [[] for _ in started]


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with listen("127.0.0.1", 0) as listener:
        gateway = Gateway(listener, tmp_path_factory.mktemp("gateway") / "feed.db")
        gateway.start()
        yield gateway
        assert gateway.system.stop(SECONDS) == []


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """A running gateway with a router that knows of nothing; a test that stops it starts its own."""
    shared_gateway.office.clear()
    return shared_gateway
