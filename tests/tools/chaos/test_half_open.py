"""Tests of a half-open connection between coordinator and backend: both notice it, continue and catch up."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.app.tree import SCRIPTED
from tests.actors.session.stage import wait_for
from tests.backend.conftest import TOKEN, Running, Socket
from tests.claude import scripted_environment
from tests.e2e.product import Product
from tools.chaos.looking import look
from tools.chaos.proxy import Proxy
from tools.common.chance import dice

PING_SECONDS = 0.2
NEVER = 3600.0


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Running]:
    """Run a backend that pings often, once its witness exists."""
    running = Running(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def witness(backend: Running) -> Socket:
    """Record the backend's events."""
    witness = backend.socket()
    backend.server.config.ws_ping_interval = backend.server.config.ws_ping_timeout = PING_SECONDS
    return witness


@pytest.fixture
def network(backend: Running) -> Iterator[Proxy]:
    """Run the proxy before the backend, without duplicates."""
    between = Proxy(backend.listener.getsockname()[1], dice("half-open", "network"), twice=0.0)
    between.start()
    yield between
    between.stop()


@contextmanager
def coordinator(directory: Path, network: Proxy) -> Iterator[Product]:
    """Run a coordinator that pings often."""
    (directory / "home").mkdir()
    product = Product(
        directory, SCRIPTED, scripted_environment(directory / "home"),
        ws_url=f"ws://127.0.0.1:{network.port}/ws", ws_token=TOKEN, ping_seconds=PING_SECONDS,
    )  # fmt: skip
    product.start()
    try:
        yield product
    finally:
        product.stop()


def step(name: str, agent: str, *play: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a subtask and its agent's play."""
    details = f"@play {json.dumps([*play, {'complete': {'completion_summary': f'{name} is done.'}}])}"
    return {"id": name, "title": name, "details": details, "agent": agent, **more}


def completed(witness: Socket, *names: str) -> list[str]:
    """Return the backend's completions, up to the last of these."""
    heard: list[str] = []
    while not set(names) <= set(heard):
        event = witness.hear()
        if event["event_type"].endswith(".completed"):
            heard.append(event["payload"]["id"])
    return heard


@pytest.mark.alone  # it measures when silence is noticed
def test_both_ends_notice_work_goes_on_and_what_waited_goes_out_once(
    tmp_path: Path, backend: Running, witness: Socket, network: Proxy
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with coordinator(tmp_path, network) as product:
        # Given an agent in the midst of its work, and another one that waits for what comes of it
        work = [
            step("A", "architect-agent", {"bash": f"cat {gate}"}),
            step("B", "coding-agent", depends_on=["A"]),
        ]
        backend.create(id="T", subtasks=work)
        witness.subscribe(since=0)
        with gate.open("w"):  # opens when the agent has come there
            # When nothing passes any more
            swallowing = threading.Event()
            network.swallow(NEVER, swallowing.set)
            # Then both ends notice, and the coordinator says so
            product.wait_for(
                lambda event: (
                    event["event_type"] == "backend.closed"
                    and "no answer to 2 pings" in event["payload"]["detail"]
                )
            )
            listeners = backend.runtime.hub._subscriptions
            wait_for(lambda: len(listeners) == 1, "the backend's forgetting it")
        # And the work that is known goes on
        product.wait_completed("A", "B")
        waiting = look(product.work.journal, "SELECT key FROM publications WHERE state = 'waiting'")
        assert len(waiting) >= 2
        # And the backend takes in what comes
        backend.create(id="U", subtasks=[step("C", "architect-agent")])
        # When the network is well again
        network.heal()
        # Then what was missed is done too, and the backend learns of each completion once
        heard = completed(witness, "A", "B", "T", "C", "U")
        assert Counter(heard) == Counter(["A", "B", "T", "C", "U"])
        wait_for(
            lambda: not look(product.work.journal, "SELECT 1 FROM publications WHERE state = 'waiting'"),
            "all acknowledged",
        )
        told = Counter(each["subtask_id"] for each in product.deliveries() if each["kind"] != "message")
        assert told == Counter(["A", "B", "C"])
