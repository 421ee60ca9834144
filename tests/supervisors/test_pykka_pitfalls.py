"""Tests of plain pykka's pitfalls, one for each, and that supervision avoids them."""
# ruff: noqa: ARG002  # hooks take what their base class says

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pykka
import pytest

from supervisors import (
    ActorDied,
    AskTimeout,
    ChildSpec,
    Intensity,
    StartChild,
    StartFailed,
    StopChild,
    SupervisionError,
)
from supervisors.drill import crash
from tests.supervisors.helpers import AT_ONCE, DEADLINE, Gate, Worker, World, until

pytestmark = pytest.mark.expected_errors("child_exited", "message_dead")


def exit_notes(world: World) -> list[object]:
    return [note for note in world.probe.notes if isinstance(note, tuple) and note[0] == "exit"]


def test_1_one_hook_whether_it_stops_or_fails(world: World) -> None:
    world.start(world.worker("a"))
    reason = ValueError("failed")
    world.tell("a", reason)
    world.wait_started("a", 3)
    world.ask("root", StopChild("a"))
    assert exit_notes(world) == [("exit", "a", 1, reason), ("exit", "a", 2, reason), ("exit", "a", 3, None)]


def test_2_a_base_exception_ends_one_actor_and_answers_the_asker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pykka.ActorRegistry, "stop_all", lambda **_: pytest.fail("stop_all was called"))
    world.start(world.worker("a"), world.worker("asker"))
    for death in (SystemExit(), asyncio.CancelledError(), KeyboardInterrupt()):
        # An actor that asks does not hang for ever
        with pytest.raises(ActorDied):
            world.ask("asker", lambda _, death=death: world.ask("a", death))
    assert world.ask("asker", lambda actor: actor.context.incarnation) == 1


@pytest.mark.expected_errors("exit_hook_failed")
@pytest.mark.parametrize("death", [SystemExit, KeyboardInterrupt])
def test_3_a_base_exception_in_on_start_or_on_exit_leaves_nothing(
    world: World, death: type[BaseException]
) -> None:
    calls: list[str] = []

    class Dies(Worker):
        def on_start(self) -> None:
            if self.context.incarnation == 1:
                raise death

        def on_exit(self, reason: BaseException | None) -> None:
            calls.append("exit")
            raise death

    world.start()
    with pytest.raises(StartFailed):
        world.ask("root", StartChild(ChildSpec("a", Dies)))
    assert calls == ["exit"]
    assert not world.system.handle("a").alive
    assert len(pykka.ActorRegistry.get_all()) == 1
    world.ask("root", StartChild(ChildSpec("a", Dies)))
    world.ask("root", StopChild("a"))
    assert calls == ["exit", "exit"]
    assert [report.incarnation for report in world.exits] == [1, 2]


def test_4_failures_of_on_start_and_on_exit_are_reported(world: World) -> None:
    class Dies(Worker):
        def on_exit(self, reason: BaseException | None) -> None:
            raise ValueError("in on_exit")

    world.start(ChildSpec("a", Dies, backoff=AT_ONCE))
    world.ask("root", StopChild("a"))
    assert str(world.exit_of("a", 1).reason) == "in on_exit"


def test_5_what_waits_for_the_dead_is_kept(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()
    world.tell("a", "waits")
    crash(world.system, "a", ValueError("drill"))
    gate.open()
    world.probe.wait_count(1, "waits")


def test_6_what_is_sent_while_an_actor_dies_is_neither_lost_nor_hangs(world: World) -> None:
    world.start(world.worker("a"), intensity=Intensity(10_000))
    for number in range(200):
        crash(world.system, "a", ValueError("drill"))
        world.tell("a", [number])
        assert world.ask("a", number) == number
        until(lambda: world.system.handle("a").alive)
    assert [note[0] for note in world.probe.notes if isinstance(note, list)] == list(range(200))


def test_7_a_stop_does_not_wait_behind_the_backlog_and_never_blocks(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"))
    world.tell("a", gate)
    gate.wait_entered()
    for number in range(100_000):
        world.tell("a", number)
    life = world.system._lives["a"]
    life.stop(None)
    gate.open()
    world.wait_exit("a", 1)
    world.wait_started("a", 2)
    assert world.probe.notes.index(("exit", "a", 1, None)) < 5


def test_8_after_a_stop_the_thread_is_gone_and_a_forgotten_one_is_a_daemon(world: World) -> None:
    world.start(world.worker("a"))
    thread: threading.Thread = world.ask("a", lambda _: threading.current_thread())
    assert thread.daemon
    world.ask("root", StopChild("a"))
    assert not thread.is_alive()


def test_9_one_deadline_for_all_and_one_that_hangs_stops_nobody_else(world: World) -> None:
    gate = Gate()
    world.start(world.worker("a"), world.worker("stuck"), world.worker("c"))
    world.tell("stuck", gate)
    gate.wait_entered()
    with pytest.raises(SupervisionError):
        world.ask("a", lambda _: world.system.stop())
    assert world.system.stop(timeout=1.0) == ["stuck"]
    assert [report.name for report in world.exits if report.normal] == ["c", "a", "root"]
    gate.open()


def test_10_a_start_is_over_when_on_start_is_and_a_late_ask_is_dropped(world: World) -> None:
    world.start(world.worker("a"))
    assert ("start", "a", 1) in world.probe.notes
    gate = Gate()
    world.tell("a", gate)
    gate.wait_entered()
    with pytest.raises(TimeoutError) as caught:
        world.system.handle("a").ask("late", timeout=0.01)
    assert isinstance(caught.value, AskTimeout)
    gate.open()
    assert world.ask("a", "next") == "next"
    assert "late" not in world.probe.notes


FORGETFUL = """
import threading
import pytest
from supervisors import Actor, ChildSpec, Restart, System

class Wrong(Actor):
    def on_receive(self, message):
        assert message == "right"

def test_it():
    gone = threading.Event()
    system = System(on_exit=lambda report: gone.set())
    system.start(ChildSpec("a", Wrong, restart=Restart.TEMPORARY))
    system.handle("a").tell("wrong")
    assert gone.wait(10)
    system.stop()

@pytest.mark.expected_errors("child_exited")
def test_on_purpose():
    test_it()

def test_actor_and_thread():
    system = System()
    system.start(ChildSpec("forgotten", Wrong))

def test_descriptor():
    import os
    os.pipe()

def test_child():
    import subprocess
    test_child.process = subprocess.Popen(["sleep", "60"])

def test_cleanup():
    test_child.process.kill()
    assert test_child.process.wait() is not None
"""


def test_11_a_failed_assert_in_a_handler_fails_the_test(tmp_path: Path) -> None:
    """Cover everything else that a test may leave behind too."""
    program = tmp_path / "test_forgetful.py"
    program.write_text(FORGETFUL)
    here = Path(__file__).parents[2]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-q",
        str(program),
    ]
    environment = {"PYTHONPATH": str(here), "PATH": "/usr/bin:/bin", "LEAK_SECONDS": "0.2"}
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-o", "addopts=", "-W", "error", "-rA"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
        check=False,
    )
    verdicts = {line.split(" - ")[0].replace("test_forgetful.py::", "") for line in done.stdout.splitlines()}
    assert {
        "ERROR test_it",
        "ERROR test_actor_and_thread",
        "ERROR test_descriptor",
        "ERROR test_child",
    } <= verdicts
    assert {"PASSED test_on_purpose", "PASSED test_cleanup"} <= verdicts
    assert not {"ERROR test_on_purpose", "ERROR test_cleanup"} & verdicts, done.stdout
    for trace in (
        "unexpected errors: [\"child_exited actor='a'",
        "thread actor:forgotten#1",
        "actor Wrong",
        "pipe:",
        "sleep 60",
    ):
        assert trace in done.stdout


def test_pykka_itself_stays_quiet(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start(world.worker("a"))
    world.tell("a", ValueError("poison"))
    world.wait_started("a", 3)
    assert [
        record for record in caplog.records if record.name == "pykka" and record.levelno > logging.DEBUG
    ] == []
