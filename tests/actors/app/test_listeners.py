"""The coordinator's listening sockets."""

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.app.listeners import Listeners, bind, open_listeners
from actors.app.settings import load_defaults
from actors.lib.errors import ConfigurationError
from actors.workdir import WorkDir, prepare
from serving import connect_private

SECONDS = 30.0


@pytest.fixture
def workdir(tmp_path: Path) -> WorkDir:
    return prepare(tmp_path / "work")


@contextmanager
def opened(workdir: WorkDir, **settings: object) -> Iterator[Listeners]:
    """The sockets for these settings."""
    listeners = open_listeners(
        load_defaults(work_dir=workdir.path, **{"embedded_port": 0, **settings}), workdir
    )
    try:
        yield listeners
    finally:
        listeners.close()


def test_a_port_in_use_is_named_with_its_setting() -> None:
    with bind("GATEWAY_PORT", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"GATEWAY_PORT: port {port} on 127.0.0.1 is in use"):
            bind("GATEWAY_PORT", port)


def test_the_embedded_backend_has_a_port_and_a_door(workdir: WorkDir) -> None:
    with opened(workdir) as listeners:
        assert listeners.backend[0].getsockname() == ("127.0.0.1", listeners.backend_port)
        connect_private(workdir.backend_door, SECONDS).close()
    assert not workdir.backend_door.exists()


def test_a_backend_of_the_users_needs_neither(workdir: WorkDir) -> None:
    with opened(workdir, ws_url="ws://127.0.0.1:9/ws") as listeners:
        assert listeners.backend == ()
        assert not workdir.backend_door.exists()


def write_token(workdir: WorkDir) -> None:
    """Leave a token, as a backend does."""
    workdir.backend_token.touch(0o600)
    workdir.backend_token.write_text("known")


def test_a_token_that_the_program_on_the_port_may_know_is_forgotten(workdir: WorkDir) -> None:
    write_token(workdir)
    with socket.create_server(("127.0.0.1", 0)) as thief:
        port = thief.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=f"EMBEDDED_PORT: port {port}"),
            opened(workdir, embedded_port=port),
        ):
            pass
    assert not workdir.backend_token.exists()


def test_the_token_of_a_running_backend_stays(workdir: WorkDir) -> None:
    write_token(workdir)
    with socket.create_server(("127.0.0.1", 0)) as taken, workdir.backend_token.open("r+") as backend:
        fcntl.flock(backend, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError), opened(workdir, embedded_port=taken.getsockname()[1]):
            pass
    assert workdir.backend_token.read_text() == "known"


def test_what_can_not_be_the_door_is_said(workdir: WorkDir) -> None:
    workdir.backend_door.mkdir()
    with pytest.raises(ConfigurationError, match=r"backend\.sock can't be used"), opened(workdir):
        pass
    workdir.backend_door.rmdir()
