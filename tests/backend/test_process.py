"""Tests of the backend as a process: its ready line, its exit codes, its stop."""

import io
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from backend.__main__ import _make_printable, _write_traceback
from backend.server import bind
from backend.workdir import read_token, read_url
from tests import forked
from tests.backend.conftest import Socket

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0

Spawn = Callable[..., "Process"]


class Process:
    """A backend as a child process."""

    def __init__(self, work_dir: Path, *options: str, port: int = 0) -> None:
        command = [sys.executable, "-W", "error", "-m", "backend", f"--port={port}", f"--work-dir={work_dir}"]
        self.child = subprocess.Popen(
            [*command, *options],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> str:
        """Return the URL from the ready line."""
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), self.child.communicate(timeout=DEADLINE)
        return line.removeprefix("ready ").strip()

    def end(self) -> tuple[int, str, str]:
        """Wait for the end, and return the exit code and the remaining output."""
        out, err = self.child.communicate(timeout=DEADLINE)
        return self.child.returncode, out, err

    def close(self) -> None:
        """End the process if it still runs."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate(timeout=DEADLINE)


def refused(work_dir: Path, *options: str, port: int = 0) -> tuple[int, str, str]:
    """Run a backend that can't start; return its exit code and its output."""
    words = [f"--port={port}", f"--work-dir={work_dir}", *options]
    done = forked.run("backend", words, {"PATH": os.environ["PATH"]})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def spawn(work_dir: Path) -> Iterator[Spawn]:
    spawned: list[Process] = []

    def _spawn(*options: str, port: int = 0) -> Process:
        spawned.append(Process(work_dir, *options, port=port))
        return spawned[-1]

    yield _spawn
    for each in spawned:
        each.close()


def test_it_serves_what_it_says_and_keeps_it(spawn: Spawn, work_dir: Path) -> None:
    # Given: a backend that was killed after it had answered.
    first = spawn()
    url = first.ready()
    headers = {"Authorization": f"Bearer {read_token(work_dir)}"}
    answer = httpx.post(f"{url}/api/tasks", json={"id": "T", "title": "t"}, headers=headers, trust_env=False)
    assert answer.status_code == 201
    assert read_url(work_dir) == url
    first.child.kill()
    first.end()
    # Then: nobody is sent to where it was, for that may be anybody's port by now.
    assert read_url(work_dir) is None
    # When: it is started again, then it has the token and the task.
    url = spawn().ready()
    assert httpx.get(f"{url}/api/tasks/T", headers=headers, trust_env=False).json()["title"] == "t"
    # And: all of it is ours alone.
    assert stat.S_IMODE(work_dir.stat().st_mode) == 0o700
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in work_dir.iterdir()}
    assert {"backend.db", "backend.db-wal", "backend.token"} <= set(modes)
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_whoever_is_connected(
    spawn: Spawn, work_dir: Path, number: signal.Signals
) -> None:
    # Given: a client that listens, and one that has stopped reading with much on its way to it.
    process = spawn()
    url = process.ready()
    token = read_token(work_dir)
    header = [f"Authorization: Bearer {token}"]
    sockets = [
        Socket(
            url.replace("http", "ws", 1) + "/ws",
            header=header,
            sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096),),
        )
        for _ in range(2)
    ]
    for each in sockets:
        each.hear()
        each.subscribe()
    listener = sockets[0]
    for number_sent in range(40):
        payload = {"agent": "x", "message": "x" * 200_000}
        listener.say(id=f"k{number_sent}", event_type="agent.message", payload=payload)
        listener.hear_all(2)
    # When: it is told to stop, then it does, within its grace, and without complaint.
    process.child.send_signal(number)
    code, out, _ = process.end()
    assert (code, out) == (0, "")
    for each in sockets:
        each.close()


def test_it_ends_with_its_standard_input(spawn: Spawn, work_dir: Path) -> None:
    process = spawn("--exit-with-stdin")
    process.ready()
    assert process.child.stdin is not None
    process.child.stdin.close()
    process.child.stdin = None
    assert process.end()[:2] == (0, "")
    # And: its address is gone with it.
    assert read_url(work_dir) is None


@pytest.mark.usefixtures("programs")
def test_a_port_in_use_is_said_in_a_line(work_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = refused(work_dir, port=port)
    assert (code, out) == (3, "")
    assert err == f"port {port} on 127.0.0.1 is in use; is another backend running?\n"


@pytest.mark.usefixtures("programs")
def test_a_second_one_in_the_same_directory_is_refused(spawn: Spawn, work_dir: Path) -> None:
    spawn().ready()
    assert refused(work_dir) == (3, "", f"another backend is running in {work_dir}\n")


@pytest.mark.usefixtures("programs")
def test_a_directory_that_is_open_to_others_is_refused(work_dir: Path) -> None:
    work_dir.mkdir()
    work_dir.chmod(0o755)
    code, out, err = refused(work_dir)
    assert (code, out) == (2, "")
    assert err == f"{work_dir} is open to others (mode 0755); close it with: chmod go= {work_dir}\n"


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "the database's URL can't be read; it looks like sqlite:////path/to/file.db\n"),
        ("sqlite://", "the database sqlite:// can't be used: it has to be the path of a file\n"),
        (
            "sqlite:///file:x?uri=true",
            "the database sqlite:///file%3Ax can't be used: it has to be the path of a file\n",
        ),
        (
            "sqlite:////nowhere/x.db",
            "the database sqlite:////nowhere/x.db can't be used: No such file or directory\n",
        ),
        (
            "foo://u:s3cret@h/x?password=s3cret",
            "the database foo://u:***@h/x can't be used: Can't load plugin:",
        ),
        ("sqlite:///{}", "can't be used: Is a directory\n"),
        ("sqlite:////nowhere/a%00b", "can't be used: embedded null byte\n"),
        (
            "http://u:s3cret@h:port/",
            "the database's URL can't be read; it looks like sqlite:////path/to/file.db\n",
        ),
        ("sqlite:///{}/other.db", "can't be used: file is not a database\n"),
    ],
)
def test_a_database_that_can_not_be_used_is_said_in_a_line(
    work_dir: Path, tmp_path: Path, url: str, said: str
) -> None:
    (tmp_path / "other.db").write_text("no database " * 100)
    mode = tmp_path.stat().st_mode
    code, out, err = refused(work_dir, "--database-url", url.format(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert "s3cret" not in err
    assert tmp_path.stat().st_mode == mode


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a header"])
def test_clients_without_a_request_neither_stop_it_nor_fill_its_log(
    spawn: Spawn, work_dir: Path, data: bytes
) -> None:
    # Given a backend with few descriptors, and more clients than it has
    process = spawn()
    url = httpx.URL(process.ready())
    resource.prlimit(process.child.pid, resource.RLIMIT_NOFILE, (256, 256))
    with ExitStack() as clients:
        for _ in range(400):
            client = clients.enter_context(socket.create_connection((url.host, url.port), DEADLINE))
            with suppress(ConnectionError):
                client.sendall(data)
        # Then it serves who has something to say
        headers = {"Authorization": f"Bearer {read_token(work_dir)}"}
        answer = httpx.get(url.join("/api/tasks"), headers=headers, trust_env=False, timeout=DEADLINE)
        assert answer.status_code == 200
    process.child.terminate()
    code, _, err = process.end()
    assert (code, err.count("\n")) == (0, 2), err  # its start and its end


@pytest.mark.usefixtures("programs")
def test_an_address_that_is_not_ours_is_refused(work_dir: Path) -> None:
    code, _, err = refused(work_dir, "--host=192.0.2.1")
    assert code == 2
    assert err.startswith("can't listen on 192.0.2.1 port 0: ")


def test_the_listener_names_its_protocol_so_that_answers_do_not_wait() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_log_holds_nothing_that_a_terminal_obeys() -> None:
    harmful = "a\x1b[31mb\x07\x7f\x9b2J\u202ec"
    event = _make_printable(None, "error", {"event": "backend.publish.failed", "key": harmful, "count": 1})
    assert event == {"event": "backend.publish.failed", "key": "a�[31mb���2J�c", "count": 1}
    stream, failure = io.StringIO(), ValueError(harmful)
    _write_traceback(stream, (ValueError, failure, None))
    assert stream.getvalue().endswith("ValueError: a�[31mb���2J�c")
