"""Fixtures: a service without interfaces, a running backend, and clients that close their connections."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket

from backend.app import create_app
from backend.change import StoredEvent
from backend.runtime import Runtime
from backend.server import Server, bind
from backend.service import TaskService
from backend.storage import open_database
from serving import url_of

TOKEN = "open-sesame"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
BEARER = (f"Authorization: Bearer {TOKEN}",)
DEADLINE = 30.0


class Told(list[dict[str, Any]]):
    """The events that the service passed to its listener, parsed."""

    def __call__(self, events: Sequence[StoredEvent]) -> None:
        """Take the events of a change."""
        self.extend(json.loads(event.text) for event in events)

    def kinds(self) -> list[str]:
        """Return the events' types, in order."""
        return [event["event_type"] for event in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def service(tmp_path: Path, told: Told) -> Iterator[TaskService]:
    engine = open_database(f"sqlite:///{tmp_path / 'service.db'}")
    yield TaskService(engine, told)
    engine.dispose()


class Socket:
    """A client on the WebSocket."""

    def __init__(
        self, url: str, *, header: Sequence[str] = BEARER, sockopt: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        self.raw = websocket.create_connection(
            url, timeout=DEADLINE, header=list(header), sockopt=sockopt, skip_utf8_validation=True
        )
        assert self.raw.sock is not None
        self.sock = self.raw.sock

    def close(self) -> None:
        """Close the socket, which the library forgets where the server closed first."""
        self.sock.close()

    def say(self, **message: object) -> None:
        """Send a message."""
        self.raw.send(json.dumps(message))

    def hear(self) -> dict[str, Any]:
        """Return the next message, skipping the notice that the replay is complete."""
        heard = self.hear_any()
        return self.hear() if heard.get("type") == "live" else heard

    def hear_any(self) -> dict[str, Any]:
        """Return the next message."""
        heard: dict[str, Any] = json.loads(self.raw.recv())
        return heard

    def hear_all(self, count: int) -> list[dict[str, Any]]:
        """Return the next messages."""
        return [self.hear() for _ in range(count)]

    def subscribe(self, since: int | None = None, **more: object) -> dict[str, Any]:
        """Subscribe, and return the answer. The welcome must have been read before."""
        self.say(type="subscribe", **({} if since is None else {"since": since}), **more)
        return self.hear()

    def close_code(self) -> int:
        """Read until the server closes, and returns its code."""
        while True:
            opcode, data = self.raw.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2], "big")


class Running:
    """A backend in a thread of its own, on a port of its own."""

    def __init__(self, work_dir: Path, **options: int) -> None:
        self.listener = bind("127.0.0.1", 0)
        self.url = url_of(self.listener)
        self.runtime = Runtime(f"sqlite:///{work_dir / 'running.db'}")
        self.server = Server(create_app(self.runtime, TOKEN, **options), self.listener)
        self._thread = threading.Thread(target=self.server.run_until_stopped, name="backend under test")
        self._clients = ExitStack()
        self._thread.start()
        self.http = self._clients.enter_context(
            httpx.Client(base_url=self.url, headers=HEADERS, timeout=DEADLINE, trust_env=False)
        )

    def socket(self, *, sockopt: Sequence[tuple[int, int, int]] = ()) -> Socket:
        """Return a connected client that has read its welcome."""
        client = self.bare_socket(sockopt=sockopt)
        assert client.hear()["type"] == "welcome"
        return client

    def bare_socket(
        self,
        path: str = "/ws",
        *,
        header: Sequence[str] = BEARER,
        sockopt: Sequence[tuple[int, int, int]] = (),
    ) -> Socket:
        """Return a connected client that has read nothing yet."""
        client = Socket(self.url.replace("http", "ws", 1) + path, header=header, sockopt=sockopt)
        self._clients.enter_context(closing(client))
        return client

    def clients(self) -> list[object]:
        """Return the WebSocket connections of the server."""
        return [each for each in self.server.server_state.connections if "WebSocket" in type(each).__name__]

    @staticmethod
    def wait_for(condition: Callable[[], bool]) -> None:
        """Poll a condition until it holds."""
        until = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < until, "it never came"
            time.sleep(0.01)

    def create(self, **task: object) -> dict[str, Any]:
        """Create a task over REST."""
        answer = self.http.post("/api/tasks", json={"title": "T", **task})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def stop(self) -> None:
        """Close the clients, stops the server and waits for its thread."""
        self._clients.close()
        self.server.stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        self.listener.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def _start(**options: int) -> Running:
        started.append(Running(tmp_path, **options))
        return started[-1]

    yield _start
    for each in started:
        each.stop()


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start()
