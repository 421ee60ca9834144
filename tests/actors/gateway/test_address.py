"""The coordinator's address."""

import socket

import pytest

from actors.gateway.address import bind, url_of
from actors.lib.errors import ConfigurationError
from tests.actors.gateway.conftest import SECONDS


def test_any_free_port() -> None:
    with bind(0) as one, bind(0) as two:
        assert url_of(one) != url_of(two)
        assert url_of(one) == f"http://127.0.0.1:{one.getsockname()[1]}"


def test_it_listens_before_anybody_serves() -> None:
    with bind(0) as listener, socket.create_connection(listener.getsockname(), SECONDS):
        pass


def test_a_port_in_use_is_named() -> None:
    with bind(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"GATEWAY_PORT: port {port} on 127.0.0.1 is in use"):
            bind(port)


def test_a_port_can_be_had_again_at_once() -> None:
    with bind(0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(listener.getsockname(), SECONDS):
            listener.accept()[0].close()
    with bind(port) as again:
        assert again.getsockname()[1] == port
