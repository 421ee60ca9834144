"""Tests of the thief, which must not miss a port that is free."""

import socket
import threading
import time

import pytest

from serving import listen
from tools.chaos.thief import Thief
from tools.common.machine import free_ports

TOKEN = "a-token"
DEADLINE = 10.0


def test_a_port_with_an_owner_is_not_to_be_had() -> None:
    with listen("127.0.0.1", 0) as owned:
        thief, enough = Thief(owned.getsockname()[1], TOKEN), threading.Event()

        def is_over() -> bool:
            if thief.tried >= 30:
                enough.set()
            return enough.is_set()

        thief.start(is_over)
        assert enough.wait(DEADLINE)
        thief.stop()
    assert thief.loot == []


@pytest.mark.parametrize(
    ("said", "loot"), [(b"Authorization: Bearer a-token\r\n", ["token"]), (b"hello", [])]
)
def test_a_free_port_is_stolen_and_so_is_the_token_of_who_comes(said: bytes, loot: list[str]) -> None:
    (port,) = free_ports(1)
    thief = Thief(port, TOKEN)
    thief.start(lambda: bool(thief.loot))
    with _connect(port) as victim:
        victim.sendall(said)
        thief.stop()
    assert [each.rsplit(maxsplit=1)[-1] for each in thief.loot] == ["127.0.0.1", *loot]


def _connect(port: int) -> socket.socket:
    patience = time.monotonic() + DEADLINE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        except ConnectionRefusedError:
            if time.monotonic() > patience:
                raise
            threading.Event().wait(0.01)
