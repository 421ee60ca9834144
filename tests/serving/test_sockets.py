"""Listening sockets, and the socket that only our own user's programs may serve."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving import OtherUserError, connect_private, listen, listen_privately, url_of

SECONDS = 30.0
NOBODY = 65_534
THIEF = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
listener.settimeout(30)
print(listener.accept()[0].recv(1000), flush=True)
"""


def test_any_free_port() -> None:
    with listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as two:
        assert url_of(one) != url_of(two)
        assert url_of(one) == f"http://127.0.0.1:{one.getsockname()[1]}"


def test_it_listens_before_anybody_serves() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), SECONDS):
        pass


def test_a_port_can_be_had_again_at_once() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(listener.getsockname(), SECONDS):
            listener.accept()[0].close()
    with listen("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port


def test_a_private_socket_is_reached_at_a_path_of_any_length(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    path = deep / "door.sock"
    path.touch()  # left by an earlier one
    with listen_privately(path) as listener, connect_private(path, SECONDS) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        client.sendall(b"secret")
        with listener.accept()[0] as server:
            assert server.recv(100) == b"secret"


def test_nobody_at_a_private_socket(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect_private(tmp_path / "door.sock", SECONDS)
    listen_privately(tmp_path / "door.sock").close()
    with pytest.raises(ConnectionRefusedError):
        connect_private(tmp_path / "door.sock", SECONDS)


def test_a_listener_of_another_user_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "door.sock"
    with listen_privately(path):
        us = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: us + 1)
        with pytest.raises(OtherUserError, match=rf"belongs to another user \(uid {us}\)"):
            connect_private(path, SECONDS)


@contextmanager
def another_users(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A program of another user's that listens at this path."""
    command = [sys.executable, "-c", THIEF, str(path), str(NOBODY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as thief:
        assert thief.stdout is not None
        assert thief.stdout.readline() == "ready\n"
        yield thief


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program of another user's")
def test_a_real_thief_gets_nothing() -> None:
    # Given a directory that another user may write to, and its program at our socket's place
    directory = Path("/tmp") / f"door-{os.getpid()}"  # noqa: S108 - tmp_path can't be entered by others
    directory.mkdir()
    directory.chmod(0o777)
    path = directory / "door.sock"
    try:
        with another_users(path) as thief:
            with pytest.raises(OtherUserError, match=str(NOBODY)):
                connect_private(path, SECONDS)
            assert thief.stdout is not None
            assert thief.stdout.read() == "b''\n"
    finally:
        path.unlink(missing_ok=True)
        directory.rmdir()
