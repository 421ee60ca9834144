"""Deadlines: an actor abandons a thread that can't be interrupted in time, so that it isn't abandoned itself."""

import functools
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from actors.connection import ConnectionActor
from actors.lib import deadlines, process_marks
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


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_processes_that_nothing_ends_are_not_waited_for_any_longer(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    class Immortal:
        pid = 1
        signals: list[int] = []  # noqa: RUF012 - of this test only

        def send_signal(self, number: int) -> None:
            self.signals.append(number)

        def is_running(self) -> bool:
            return True

        def status(self) -> str:
            return psutil.STATUS_DISK_SLEEP

        def environ(self) -> dict[str, str]:
            return {process_marks.MARK: "s"}

    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(process_marks, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    monkeypatch.setattr(psutil, "process_iter", lambda: [Immortal()])
    assert process_marks.reap("s", seconds) == 1
    assert seconds < now <= seconds + deadlines.TOOLS + 0.02
    assert Immortal.signals[-1] == 9
