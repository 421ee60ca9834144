"""The embedded backend's actor: its start and stop are those of a process, and they fall together."""

import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.embedded import BackendActor
from actors.embedded import actor as module
from actors.embedded.actor import BackendFailedError, Ended
from actors.lib import leftovers
from actors.lib.errors import ConfigurationError, root_cause
from actors.protocol.names import BACKEND
from serving import listen, url_of
from supervisors import Backoff, ChildSpec, ExitReport, StartFailed, System
from supervisors.drill import crash
from tests.actors.session.stage import wait_for
from tests.actors.support import DEADLINE, Record, running

ROOT = Path(__file__).resolve().parents[3]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready http://x', flush=True); time.sleep(600)"
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as opened:
        yield opened


@contextmanager
def backend(
    work_dir: Path, listener: socket.socket, exits: Record | None = None, **options: Any
) -> Iterator[System]:
    """A supervised backend."""
    start = partial(BackendActor, listeners=[listener], work_dir=work_dir, root=ROOT, **options)
    spec = ChildSpec(name=BACKEND, start=start, start_timeout=40, backoff=Backoff(initial=0, maximum=0))
    with running(spec, on_exit=exits.add if exits else lambda _: None) as system:
        yield system


def process_of(system: System) -> "subprocess.Popen[str]":
    """The process of the present incarnation."""
    actor = system._lives[BACKEND].actor
    assert isinstance(actor, BackendActor)
    assert actor._process is not None
    return actor._process


def is_well(listener: socket.socket) -> bool:
    """Return whether the backend answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url_of(listener)}/healthz", timeout=DEADLINE) as answer:
        return bool(answer.status == 200)


def program(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put a small program in the backend's place."""
    monkeypatch.setattr(BackendActor, "_command", lambda _: [sys.executable, "-c", text])


def failure(work_dir: Path, listener: socket.socket, **options: Any) -> BaseException:
    """Why it can't be started."""
    with pytest.raises(StartFailed) as caught, backend(work_dir, listener, **options):
        pass
    return root_cause(caught.value)


def wait_started(system: System, exits: Record, ends: int) -> None:
    """Wait until so many incarnations have ended and the next one is ready."""
    exits.wait_for(ExitReport, lambda report: report.name == BACKEND, ends)
    wait_for(lambda: system.handle(BACKEND).alive, "the next incarnation")


def test_its_start_is_over_when_it_answers_and_its_stop_leaves_nothing(
    tmp_path: Path, listener: socket.socket
) -> None:
    with backend(tmp_path / "work", listener) as system:
        assert is_well(listener)
        process = process_of(system)
        assert process.poll() is None
    assert process.returncode is not None


@pytest.mark.expected_errors("child_exited")
def test_when_it_is_killed_it_is_started_again_on_the_same_port(
    tmp_path: Path, listener: socket.socket
) -> None:
    exits = Record()
    with backend(tmp_path / "work", listener, exits) as system:
        first = process_of(system)
        first.kill()
        wait_started(system, exits, 1)
        assert is_well(listener)
        assert process_of(system).pid != first.pid
    reason = exits.all(ExitReport)[0].reason
    assert isinstance(reason, BackendFailedError)
    assert "exit code -9" in str(reason)


@pytest.mark.expected_errors("child_exited")
def test_nobody_can_take_its_port_while_it_is_down(tmp_path: Path, listener: socket.socket) -> None:
    exits = Record()
    with backend(tmp_path / "work", listener, exits) as system:
        # Given a backend that was killed
        process_of(system).kill()
        exits.wait_for(ExitReport, lambda report: report.name == BACKEND)
        # Then no other program can listen there
        with pytest.raises(OSError, match="Address already in use"):
            listen(*listener.getsockname())
        # And a call meanwhile is answered by the next one
        assert is_well(listener)


@pytest.mark.expected_errors("child_exited")
def test_the_end_of_one_incarnations_process_does_not_end_the_next(
    tmp_path: Path, listener: socket.socket
) -> None:
    """The last message from the process of an actor that dies waits in the mailbox for its successor."""
    exits = Record()
    with backend(tmp_path / "work", listener, exits) as system:
        pid = process_of(system).pid
        crash(system, BACKEND, RuntimeError("drill"))
        wait_started(system, exits, 1)
        # When: such news is read, last of all what waits.
        system.handle(BACKEND).tell(Ended(pid=pid, code=-15))
        successor = process_of(system)
        assert is_well(listener)
    # Then: it has ended by the stop only.
    assert [report.reason is None for report in exits.all(ExitReport) if report.name == BACKEND] == [
        False,
        True,
    ]
    assert successor.returncode is not None


@pytest.mark.expected_errors("child_exited")
def test_a_directory_that_another_backend_holds_is_named(tmp_path: Path, listener: socket.socket) -> None:
    with backend(tmp_path / "work", listener), listen("127.0.0.1", 0) as another:
        reason = failure(tmp_path / "work", another)
    assert isinstance(reason, ConfigurationError)
    assert f"another backend is running in {tmp_path / 'work'}" in str(reason)


@pytest.mark.expected_errors("child_exited")
def test_one_that_fails_at_its_start_says_why(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(monkeypatch, "import sys; print('no disk', file=sys.stderr); sys.exit(1)")
    reason = failure(tmp_path, listener)
    assert isinstance(reason, BackendFailedError)
    assert str(reason) == "the embedded backend ended with exit code 1:\nno disk"


@pytest.mark.expected_errors("child_exited")
def test_a_database_that_cannot_be_used_is_the_users_to_change(
    tmp_path: Path, listener: socket.socket
) -> None:
    reason = failure(tmp_path / "work", listener, database_url=f"sqlite:///{tmp_path}")
    assert isinstance(reason, ConfigurationError)
    assert str(reason) == (
        f"the embedded backend can't start (the database sqlite:///{tmp_path} can't be used: Is a directory);"
        " look at WORK_DIR and EMBEDDED_DATABASE_URL"
    )


@pytest.mark.expected_errors("child_exited")
@pytest.mark.parametrize("says", ["", "print('hello', flush=True);"], ids=["nothing", "something else"])
def test_one_that_is_never_ready_is_given_up(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.3)
    program(monkeypatch, f"import time; {says} time.sleep(600)")
    reason = failure(tmp_path, listener)
    assert isinstance(reason, BackendFailedError)
    assert "exit code -9" in str(reason)


def test_one_that_ignores_sigterm_is_killed(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    program(monkeypatch, STUBBORN)
    with backend(tmp_path, listener) as system:
        process = process_of(system)
    assert process.returncode == -signal.SIGKILL


OWNER = """
import sys, threading
from pathlib import Path
from typing import Any
from actors.embedded import BackendActor
from serving import listen
from supervisors import ChildSpec, System
system = System()
work_dir, root = Path(sys.argv[1]), Path(sys.argv[2])
listeners = [listen("127.0.0.1", 0)]
start = lambda context: BackendActor(context, listeners=listeners, work_dir=work_dir, root=root)
system.start(ChildSpec(name="backend", start=start, start_timeout=40))
print(system._lives["backend"].actor._process.pid, file=sys.stderr, flush=True)
threading.Event().wait()
"""


@contextmanager
def orphaned(work_dir: Path, *, stopped: bool) -> Iterator[int]:
    """A backend, as a file descriptor, whose coordinator was killed, and could stop nothing."""
    command = [sys.executable, "-c", OWNER, str(work_dir), str(ROOT)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as owner:
        assert owner.stderr is not None
        orphan = psutil.Process(int(owner.stderr.readline()))
        descriptor = os.pidfd_open(orphan.pid)
        if stopped:
            orphan.suspend()
        owner.kill()
    try:
        yield descriptor
    finally:
        if orphan.is_running():
            orphan.kill()
        os.close(descriptor)


def test_it_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    with orphaned(tmp_path / "work", stopped=False) as descriptor:
        ended, _, _ = select.select([descriptor], [], [], DEADLINE)
    assert ended


def test_one_that_does_not_end_with_its_owner_is_not_in_the_next_ones_way(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "ORPHAN_SECONDS", 0.1)
    with orphaned(tmp_path / "work", stopped=True):
        # When the next coordinator begins as it always does
        leftovers.end_orphans(tmp_path / "work")
        # Then the port and the directory are its own
        with backend(tmp_path / "work", listener):
            assert is_well(listener)
