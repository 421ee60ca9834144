"""Tests with the work directory on a small disk that is full: people see the reason, and nothing is lost."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.claude import ROOT
from tests.e2e.program import closed_environment

pytestmark = pytest.mark.timeout(240)

DEADLINE = 40.0
MAIN = (sys.executable, "-m", "actors.main")
MOUNT = 'mount -t tmpfs -o size=12m,mode=700 none "$0" && echo mounted && exec sleep infinity'


class SmallDisk:
    """A disk of 12 MB in its own mount namespace, in which programs can be run.

    Args:
        path: The path at which the programs see it.
        holder: A process in the namespace.
    """

    def __init__(self, path: Path, holder: int) -> None:
        self._inside = ("nsenter", f"--target={holder}", "--user", "--mount", "--preserve-credentials")
        self.seen = Path(f"/proc/{holder}/root{path}")
        """The path at which this process sees the disk."""

    def fill(self, room: int = 0) -> None:
        """Fill the disk until this many bytes are left."""
        with (self.seen / "ballast").open("wb", buffering=0) as file:
            for size in (65_536, 1):  # at last the rest of a page
                with suppress(OSError):  # there is no room
                    while True:
                        file.write(b"x" * size)
            file.truncate(file.tell() - room)

    def make_room(self) -> None:
        """Free the filled space."""
        (self.seen / "ballast").unlink()

    @contextmanager
    def running(
        self, environment: dict[str, str], *words: str, given: int | None = None
    ) -> Iterator["subprocess.Popen[str]"]:
        """Start the command line on this disk, with this standard input."""
        process = subprocess.Popen(
            [*self._inside, *MAIN, *words],
            env=environment, cwd=ROOT, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def main(self, environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the command line on this disk until it ends."""
        with self.running(environment, *words) as process:
            out, errors = process.communicate(timeout=DEADLINE)
        return subprocess.CompletedProcess(words, process.returncode, out, errors)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return a minimal environment with the scripted stand-in as claude."""
    return closed_environment(tmp_path)


@pytest.fixture
def disk(environment: dict[str, str]) -> Iterator[SmallDisk]:
    """Return a small disk in the place of the work directory."""
    path = Path(environment["WORK_DIR"])
    path.mkdir(mode=0o700)
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("nsenter") is None:
        pytest.skip("there is no unshare or no nsenter here")
    holder = subprocess.Popen(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(path)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("a disk can't be mounted here")
        yield SmallDisk(path, holder.pid)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll a condition that depends on another program until it holds."""
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def started(process: "subprocess.Popen[str]") -> bool:
    """Tell whether the coordinator started."""
    assert process.stdout is not None
    return any(line.startswith("The coordinator runs") for line in process.stdout)


def status(disk: SmallDisk, environment: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(disk.main(environment, "status", "--json").stdout)
    return found


def arrived(disk: SmallDisk, environment: dict[str, str]) -> list[str]:
    """Return the states of all deliveries."""
    lines = disk.main(environment, "deliveries", "--json").stdout.splitlines()
    return [json.loads(line)["state"] for line in lines]


def test_a_full_disk_is_shown_and_nothing_is_lost(
    disk: SmallDisk, environment: dict[str, str], tmp_path: Path
) -> None:
    with disk.running(environment) as coordinator:
        assert started(coordinator)
        assert status(disk, environment)["paused"] is None
        # Given a disk without room, and somebody who writes to an agent
        disk.fill()
        words = tmp_path / "words"
        words.write_text("Hello. " * 9000)
        with (
            words.open() as given,
            disk.running(environment, "send", "coding-agent", "-", given=given.fileno()) as sending,
        ):
            # Then status says what is the matter, since when, and that it goes on by itself
            wait_until(lambda: status(disk, environment)["paused"] is not None, "it says that it waits")
            shown = disk.main(environment, "status").stdout
            assert "Paused:      the journal can't be written since " in shown
            assert "Nothing is lost" in shown
            assert sending.poll() is None
            # When there is room, it goes on, and whoever waited gets an answer
            disk.make_room()
            out, errors = sending.communicate(timeout=DEADLINE)
            assert sending.returncode == 0, errors
            assert "on its way" in out
        assert status(disk, environment)["paused"] is None
        wait_until(lambda: arrived(disk, environment) == ["completed"], "the message arrives, once")
        # And one that can't even answer is shown as what it is
        coordinator.send_signal(signal.SIGSTOP)
        assert "It doesn't answer" in disk.main(environment, "status").stdout
        coordinator.send_signal(signal.SIGCONT)
        coordinator.terminate()
        assert coordinator.wait(timeout=20) == 0


def test_on_a_full_disk_the_demo_says_why_it_cannot_start(
    disk: SmallDisk, environment: dict[str, str]
) -> None:
    disk.fill(100_000)
    done = disk.main(environment | {"TMPDIR": environment["WORK_DIR"]}, "demo")
    assert done.returncode == 1
    assert "The demo could not start: the disk that" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("room", [0, 100_000])
def test_on_a_full_disk_it_does_not_begin_and_says_why(
    disk: SmallDisk, environment: dict[str, str], room: int
) -> None:
    disk.fill(room)
    done = disk.main(environment, "run")
    # Then whoever runs it may try again, and nothing was begun
    assert done.returncode == 70
    assert f"could not start: the disk that {environment['WORK_DIR']} lies on is full" in done.stdout
    assert "Traceback" not in done.stderr
    assert {each.name for each in disk.seen.iterdir() if each.is_file()} == {"ballast"}
    # And with room it starts
    disk.make_room()
    with disk.running(environment) as coordinator:
        assert started(coordinator)
        coordinator.terminate()
        assert coordinator.wait(timeout=20) == 0
