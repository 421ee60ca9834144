"""Tests of one process: its output, its end, and that nothing of it is left."""

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from actors.lib.process_marks import MARK
from actors.session.drives.stream import process as module
from actors.session.drives.stream.process import ClaudeProcess
from tests.actors.session.stage import lives, wait_for
from tests.actors.support import DEADLINE

MIB = 1024 * 1024
ALIVE = "import time\nprint('here', flush=True)\ntime.sleep(600)"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ALIVE


class Running:
    """A small program in claude's place, and its output."""

    def __init__(self, directory: Path, program: str) -> None:
        self.session_id = str(uuid4())
        self.pause = 0.0
        self.has_room = True
        self.lines: list[bytes] = []
        self.written: list[str] = []
        self.ends: list[tuple[int, str]] = []
        self._changed = threading.Condition()
        self.process = ClaudeProcess(
            [sys.executable, "-c", program],
            environment={"PATH": os.environ["PATH"]},
            directory=directory,
            pipe=directory / "agent.pipe",
            errors=directory / "agent.stderr",
            session_id=self.session_id,
            has_room=lambda: self.has_room,
            on_lines=lambda lines: self._note(self.lines, *lines),
            on_written=lambda tag: self._note(self.written, tag),
            on_exit=lambda code, noise: self._note(self.ends, (code, noise)),
        )

    def _note(self, where: list[Any], *what: object) -> None:
        with self._changed:
            where.extend(what)
            self._changed.notify_all()
        time.sleep(self.pause)

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait for news."""
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), (self.lines[-3:], self.written, self.ends)

    def wait_line(self, line: bytes) -> None:
        """Wait until it has written this line."""
        self.wait(lambda: line in self.lines)

    def wait_end(self) -> tuple[int, str]:
        """Wait for its end; return how it ended."""
        self.wait(lambda: self.ends)
        return self.ends[0]


Run = Callable[[str], Running]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[Running] = []

    def _run(program: str) -> Running:
        started.append(Running(tmp_path, program))
        return started[-1]

    yield _run
    for each in started:
        each.process.stop(0.0)


# ---------------------------------------------------------------- output


def test_its_input_is_a_pipe_its_output_a_terminal_and_it_leads_its_own_session(run: Run) -> None:
    running = run(
        "import os, sys\nprint(sys.stdin.isatty(), sys.stdout.isatty(), os.getsid(0) == os.getpid())"
    )
    running.wait_line(b"False True True")


def test_it_gets_its_environment_and_a_mark_and_nothing_else(run: Run) -> None:
    running = run("import os\nprint(*sorted(set(os.environ) - {'LC_CTYPE'}))")
    running.wait_line(f"{MARK} PATH".encode())


def test_it_holds_no_descriptor_of_ours(run: Run) -> None:
    running = run(
        "import os\nprint(*[fd for fd in range(3, 500) if os.path.exists(f'/proc/self/fd/{fd}')], 'end')"
    )
    running.wait_line(b"end")


def test_what_is_written_is_read(run: Run) -> None:
    running = run("import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)")
    assert running.process.write_all([("a", b"one\n")]) == ["a"]
    running.wait_line(b"got one")


def test_a_line_of_a_mib_comes_whole_each_way(run: Run) -> None:
    running = run("import sys\nfor line in sys.stdin: print(line.strip(), flush=True)")
    line = os.urandom(MIB // 2).hex().encode()
    running.process.write_all([("big", line + b"\n")])
    running.wait_line(line)
    assert running.written == ["big"], "it was more than the pipe holds, so its writing is told of"


def test_lines_stay_lines_however_they_come(run: Run) -> None:
    running = run(
        "import sys, time\n"
        "for part in ['a', 'b\\nc', '\\n', '\\n\\nd\\re', '\\x00\\x1b[0m\\n', 'half']:\n"
        "    sys.stdout.write(part); sys.stdout.flush()\n"
    )
    assert running.wait_end()[0] == 0
    assert running.lines == [b"ab", b"c", b"", b"", b"d\re\x00\x1b[0m", b"half"]


def test_a_line_without_an_end_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_LIMIT", 1000)
    running = run("print('x' * 200_000 + 'end')\nprint('next')")
    running.wait_line(b"next")
    assert running.lines[0].endswith(b"xend")
    assert len(running.lines[0]) <= 1000 + module.READ_SIZE


TALKS = "import os\nfor number in range(2000): print(number, 'x' * 500)\nopen('said', 'w').close()"


def test_one_that_nobody_has_room_for_is_not_read_and_the_others_are(tmp_path: Path) -> None:
    # Given: one that talks much, for which there is no room.
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    threads = threading.active_count()
    patient = Running(tmp_path / "one", "input()\n" + TALKS)
    patient.has_room = False
    patient.process.write_all([("go", b"\n")])
    # When: another one talks just as much, then all of that is read.
    other = Running(tmp_path / "two", TALKS)
    other.wait_end()
    assert len([line for line in other.lines if line]) == 2000
    # Then: nothing of the first was, it waits for room in its terminal, and no thread waits for it.
    assert patient.lines == []
    assert not (tmp_path / "one" / "said").exists()
    assert threading.active_count() <= threads + 2  # the watcher, and perhaps the one that ends leftovers
    # When: there is room.
    patient.has_room = True
    patient.wait_end()
    assert [int(line.split()[0]) for line in patient.lines if line] == list(range(2000))


def test_the_last_words_of_one_that_has_ended_wait_for_room_too(run: Run) -> None:
    running = run("print('last')")
    running.has_room = False
    running.process._has_ended.wait(DEADLINE)
    assert running.ends == []
    running.has_room = True
    running.wait_end()


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
    ],
)
def test_its_end_is_told_once_with_the_code_or_the_signal(run: Run, program: str, code: int) -> None:
    running = run(program)
    assert running.wait_end()[0] == code
    running.process.stop(0.0)
    assert len(running.ends) == 1


def test_all_that_it_said_is_told_before_its_end(run: Run) -> None:
    running = run("print('\\n'.join(map(str, range(20_000))))\nimport os; os.kill(os.getpid(), 9)")
    running.wait_end()
    numbers = [int(line) for line in running.lines if line]
    assert numbers == list(range(len(numbers)))


def test_the_end_of_its_standard_error_is_told(run: Run) -> None:
    running = run("import sys\nsys.stderr.write('x' * 10_000 + ' No conversation found\\n')\nsys.exit(1)")
    code, noise = running.wait_end()
    assert code == 1
    assert noise.endswith("x No conversation found")
    assert len(noise) <= module.NOISE_TAIL


@pytest.mark.parametrize("planted", ["symlink", "FIFO", "open file"])
def test_standard_error_goes_to_a_new_file_of_ours_alone(run: Run, tmp_path: Path, planted: str) -> None:
    errors, other = tmp_path / "agent.stderr", tmp_path / "other"
    other.write_text("kept")
    match planted:
        case "symlink":
            errors.symlink_to(other)
        case "FIFO":
            os.mkfifo(errors)
        case _:
            errors.touch(0o644)
    running = run("import sys\nsys.exit('noise')")
    assert running.wait_end() == (1, "noise")
    found = errors.lstat()
    assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
    assert other.read_text() == "kept"


def test_a_standard_error_that_was_replaced_meanwhile_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    running = run(ALIVE)
    running.wait_line(b"here")
    (tmp_path / "agent.stderr").unlink()
    os.mkfifo(tmp_path / "agent.stderr")
    running.process.kill()
    assert running.wait_end() == (-9, "")


def test_standard_error_that_is_no_text_is_told_as_far_as_it_is(run: Run) -> None:
    running = run("import os, sys\nos.write(2, b'caf\\xff!')\nsys.exit(1)")
    assert running.wait_end() == (1, "caf\ufffd!")


def test_one_that_closes_its_terminal_andlives_on_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSED_SECONDS", 0.05)
    running = run("import os, time\nos.close(1)\ntime.sleep(600)")
    assert running.wait_end()[0] == -signal.SIGKILL


CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)
{rest}
"""


def test_a_child_that_keeps_the_terminal_hides_no_end(run: Run) -> None:
    running = run(CHILD.format(child=ALIVE, rest="time.sleep(600)"))
    running.wait_line(b"here")
    os.kill(running.process.pid, signal.SIGKILL)
    assert running.wait_end()[0] == -signal.SIGKILL


def test_nor_does_a_child_that_goes_on_talking(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a slow reader there is always something to read."""
    monkeypatch.setattr(module, "LEFT_BEHIND", 20_000)
    running = run(CHILD.format(child="while True: print('x' * 1000)", rest="time.sleep(600)"))
    running.pause = 0.005
    running.wait_line(b"x" * 1000)
    os.kill(running.process.pid, signal.SIGKILL)
    assert running.wait_end()[0] == -signal.SIGKILL


def test_a_message_for_one_that_has_ended_is_dropped(run: Run) -> None:
    running = run("raise SystemExit(0)")
    running.wait_end()
    assert running.process.write_all([("late", b"x" * MIB)]) == ["late"]
    assert running.written == []


@pytest.mark.parametrize("missing", ["program", "directory"])
def test_where_it_cannot_be_started_nothing_stays(tmp_path: Path, missing: str) -> None:
    """The test's own watch for leaked descriptors is half of it."""
    with pytest.raises(FileNotFoundError, match="missing"):
        ClaudeProcess(
            ["/missing/claude" if missing == "program" else "/bin/true"],
            environment={},
            directory=tmp_path / "missing" if missing == "directory" else tmp_path,
            pipe=tmp_path / "agent.pipe",
            errors=tmp_path / "agent.stderr",
            session_id="s",
            has_room=lambda: True,
            on_lines=print,
            on_written=print,
            on_exit=print,
        )


# ---------------------------------------------------------------- stopping, and leftovers


def test_it_stops_at_sigterm(run: Run) -> None:
    running = run(ALIVE)
    running.wait_line(b"here")
    running.process.stop(DEADLINE)
    assert running.process._process.returncode == -signal.SIGTERM
    assert running.ends == [], "nobody asked about it"


def test_one_that_ignores_sigterm_is_killed_in_time(run: Run) -> None:
    running = run(STUBBORN)
    running.wait_line(b"here")
    running.process.stop(0.05)
    assert running.process._process.returncode == -signal.SIGKILL


def test_its_children_end_with_it_though_they_lead_sessions_of_their_own(run: Run) -> None:
    running = run(CHILD.format(child=STUBBORN, rest="time.sleep(600)"))
    running.wait_line(b"here")
    (child,) = psutil.Process(running.process.pid).children()
    running.process.stop(DEADLINE)
    wait_for(lambda: not lives(child), "the child's end")


def test_stopping_one_that_has_ended_does_nothing(run: Run) -> None:
    running = run("raise SystemExit(3)")
    running.wait_end()
    running.process.stop(DEADLINE)
    assert running.ends == [(3, "")]
