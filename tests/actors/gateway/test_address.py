"""Where the coordinator answers, and the file that says so."""

import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from actors.gateway.address import CoordinatorFile, bind, url_of
from tests.actors.gateway.conftest import SECONDS

HERE = CoordinatorFile(pid=7, url="http://127.0.0.1:8001", started_at=datetime(2026, 1, 2, tzinfo=UTC))


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


def test_the_file_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "coordinator.json"
    assert CoordinatorFile.read(path) is None
    HERE.write(path)
    assert CoordinatorFile.read(path) == HERE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["coordinator.json"]


def test_an_older_file_is_replaced_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    path = tmp_path / "coordinator.json"
    path.symlink_to(elsewhere)
    HERE.write(path)
    assert elsewhere.read_text() == "theirs"
    assert CoordinatorFile.read(path) == HERE


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"pid": "x", "url": "", "started_at": 1}'])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "coordinator.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="can't be read; if no coordinator runs, delete it"):
        CoordinatorFile.read(path)


def test_a_newer_file_with_more_in_it(tmp_path: Path) -> None:
    path = tmp_path / "coordinator.json"
    path.write_text(HERE.model_dump_json()[:-1] + ', "more": 1}')
    assert CoordinatorFile.read(path) == HERE
