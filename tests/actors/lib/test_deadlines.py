"""Deadlines: an actor abandons a thread that can't be interrupted in time, so that it isn't abandoned itself."""

import functools
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from actors.connection import ConnectionActor
from actors.lib import deadlines
from actors.lib.leftovers import reap
from actors.lib.process_marks import MARK
from actors.protocol.names import CONNECTION, WORKDIR
from actors.workdir import prepare, watch
from actors.workdir.actor import WorkdirActor
from supervisors import ChildSpec, Supervisor, System
from tests.actors.support import DEADLINE


class Hole:
    """A trap that keeps threads until the test ends."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()
        self._visitor: threading.Thread | None = None

    def enter(self, *_: object, **__: object) -> Any:
        """Block the calling thread."""
        self._visitor = threading.current_thread()
        self.entered.set()
        assert self._open.wait(6 * DEADLINE)
        raise OSError("it is over")

    def close(self) -> None:
        """Release the thread, and wait for its end."""
        self._open.set()
        if self._visitor is not None:
            self._visitor.join(DEADLINE)


@pytest.fixture
def hole() -> Any:
    made = Hole()
    yield made
    made.close()


def _stopped(hole: Hole, spec: ChildSpec) -> list[str]:
    """Stop the actor within its deadline; return the abandoned actors."""
    system = System()
    system.start(ChildSpec("root", functools.partial(Supervisor, children=[spec]), shutdown=deadlines.ALL))
    assert hole.entered.wait(DEADLINE)
    return system.stop(deadlines.ALL)


def test_a_name_lookup_that_hangs(
    hole: Hole, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", hole.enter)
    start = functools.partial(ConnectionActor, url="ws://backend.example:1/ws")
    assert _stopped(hole, ChildSpec(CONNECTION, start, shutdown=deadlines.CONNECTION)) == []
    assert "backend_socket_abandoned" in caplog.text


def test_a_watch_that_hangs(
    hole: Hole, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class Deaf:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __enter__(self) -> None:
            hole.enter()

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(watch, "RustNotify", Deaf)
    start = functools.partial(WorkdirActor, workdir=prepare(tmp_path / "work"))
    assert _stopped(hole, ChildSpec(WORKDIR, start, shutdown=deadlines.WORKDIR)) == []
    assert "result_watch_abandoned" in caplog.text


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_processes_that_nothing_ends_are_not_waited_for_any_longer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    session_id, signals = str(uuid4()), list[int]()
    monkeypatch.setattr(psutil.Process, "send_signal", lambda _, number: signals.append(number))
    with subprocess.Popen(["/bin/sleep", "600"], env={MARK: session_id}) as immortal:
        began = time.monotonic()
        assert reap(session_id, seconds) == 1
        took = time.monotonic() - began
        immortal.kill()
    assert seconds + deadlines.TOOLS <= took < seconds + deadlines.TOOLS + 1.0
    assert signals[-1] == signal.SIGKILL
    assert "processes_not_ended" in caplog.text
