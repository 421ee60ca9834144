"""Tests of the stream drive: one process in a conversation that no other uses, and its end."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from actors.agents.prompt import AgentPrompt, PromptError
from actors.lib.descriptors import EACH, Places
from actors.session import SessionSettings
from actors.session.clock import SystemClock
from actors.session.drive import Answering, Exited, OfProcess, Past, SessionTakenError, StreamRead, Written
from actors.session.drives.stream import drive
from actors.session.drives.stream.drive import StreamDrive
from actors.session.drives.stream.lock import SessionLock
from supervisors import System
from tests.actors.session.stage import NOWHERE, lives
from tests.actors.support import Record, recorder, running

SPEAKS = """
import sys
with open("arguments", "w") as file:
    print(sys.argv[1:], file=file)
for line in sys.stdin:
    print('{"type": "assistant"}', flush=True)
"""
WAITS = """
import os, sys, time
while not os.path.exists("go"):
    time.sleep(0.01)
sys.stdin.read()
"""
FAILS = """
import os, sys
sys.exit("something else" if os.path.exists("known") else "No conversation found with this id")
"""


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def system(record: Record) -> Iterator[System]:
    with running(recorder("owner", record)) as system:
        yield system


class Conducted(StreamDrive):
    """A drive whose conversation is the same each time."""

    conversation = ""

    def begin(self) -> Past:
        """Start it in its conversation."""
        return self.start(self.conversation)


Make = Callable[..., Conducted]


@pytest.fixture
def make(tmp_path: Path, system: System) -> Iterator[Make]:
    """Return a function that makes a drive of a small program, in the same conversation each time."""
    session_id, made = str(uuid4()), []

    def _make(program: str = SPEAKS, prompt: Callable[[str], AgentPrompt] | None = None) -> Conducted:
        settings = SessionSettings(
            command=(sys.executable, "-c", program),
            directory=tmp_path,
            environment={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            files=tmp_path,
            readable=tmp_path,
            results=lambda agent: tmp_path / "results" / agent / "task_result_*.json",
            pipe=lambda agent: tmp_path / f"{agent}.pipe",
            prompt=prompt or (lambda _: AgentPrompt(text="You write code.")),
            gateway_url=NOWHERE,
            token=lambda agent: agent,
        )
        claude = Conducted("coder", settings, system.handle("owner"), SystemClock())
        claude.conversation = session_id
        made.append(claude)
        return claude

    yield _make
    for claude in made:
        claude.close()


def transcript(directory: Path, claude: Conducted) -> None:
    """Write the transcript of a conversation that was cut off."""
    path = directory / ".claude" / "projects" / "work" / f"{claude.conversation}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"type": "user", "uuid": "a"}\n')


def end(claude: Conducted, record: Record) -> Exited:
    """Kill it, and wait until its end was told."""
    claude.kill()
    return record.wait_for(Exited, lambda exited: exited.epoch == claude.epoch)


def test_what_it_says_and_its_end_are_told_under_its_number(make: Make, record: Record) -> None:
    claude = make()
    assert (claude.epoch, claude.pid, claude.heard_at) == (0, None, 0.0)
    assert claude.begin().is_answered
    assert claude.pid is not None
    assert claude.heard_at > 0
    assert claude.write([("a", "hello")]) == ["a"]
    assert record.wait_for(StreamRead) == StreamRead(epoch=claude.epoch, facts=(Answering(),))
    assert end(claude, record).code == -9
    claude.close()
    assert [claude.epoch, claude.pid, claude.heard_at] == [0, None, 0.0]


def test_what_means_nothing_to_anybody_is_not_told(make: Make, record: Record) -> None:
    claude = make("print('{}')")
    claude.begin()
    record.wait_for(Exited)
    assert record.all(StreamRead) == []


def test_each_process_has_its_own_number(make: Make, record: Record) -> None:
    claude, epochs = make(), []
    for _ in range(2):
        claude.begin()
        epochs.append(claude.epoch)
        end(claude, record)
    assert epochs[0] < epochs[1]
    assert {each.epoch for each in record.all(OfProcess)} == set(epochs)


def test_what_had_to_wait_for_room_is_told_when_it_is_written(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make(WAITS)
    claude.begin()
    assert claude.write([("a", "x" * 2**20)]) == []
    assert record.all(Written) == []
    (tmp_path / "go").touch()
    assert record.wait_for(Written) == Written(epoch=claude.epoch, delivery_id="a")


def test_an_interruption_that_waits_for_space_is_not_reported(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make(WAITS)
    claude.begin()
    claude.write([("a", "x" * 2**20)])
    claude.interrupt()
    claude.write([("b", "x")])
    (tmp_path / "go").touch()
    record.wait_for(Written, lambda written: written.delivery_id == "b")
    assert [each.delivery_id for each in record.all(Written)] == ["a", "b"]


def test_without_a_process_nothing_is_written(make: Make) -> None:
    claude = make()
    assert claude.write([("a", "x")]) == []
    claude.kill()


# ---------------------------------------------------------------- the conversation


def test_a_conversation_that_is_there_is_gone_on_with_and_what_it_says_is_told_first(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make()
    transcript(tmp_path, claude)
    history = claude.begin()
    assert (history.arrived, history.is_answered) == ({"a"}, False)
    assert claude.is_resumed
    assert claude.read_history() == history
    claude.write([("b", "")])
    record.wait_for(StreamRead)
    assert f"'--resume', '{claude.conversation}'" in (tmp_path / "arguments").read_text()


def test_one_that_claude_does_not_know_is_begun_anew_and_after_that_gone_on_with(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make(FAILS)
    transcript(tmp_path, claude)
    resumed = []
    for _ in range(2):
        claude.begin()
        resumed.append(claude.is_resumed)
        record.wait_for(Exited, lambda exited: exited.epoch == claude.epoch)
    # And: where it ends for another reason, it is the conversation that it had begun.
    (tmp_path / "known").touch()
    for _ in range(2):
        claude.begin()
        resumed.append(claude.is_resumed)
        record.wait_for(Exited, lambda exited: exited.epoch == claude.epoch)
    assert resumed == [True, False, False, True]


def test_it_leads_the_conversation_from_its_first_start_to_its_close(make: Make, record: Record) -> None:
    # Given: one whose process has ended.
    first, second = make(), make()
    first.begin()
    end(first, record)
    # Then: the conversation is still its own.
    with pytest.raises(SessionTakenError):
        second.begin()
    assert second.pid is None
    first.close()
    second.begin()
    assert second.pid is not None


def test_the_process_of_another_leader_is_left_alone(make: Make, record: Record) -> None:
    first = make()
    first.begin()
    with pytest.raises(SessionTakenError):
        make().begin()
    first.write([("a", "")])
    record.wait_for(StreamRead)


def test_one_that_could_not_be_started_may_be_once_the_reason_is_gone(make: Make) -> None:
    prompts: list[AgentPrompt] = []

    def prompt(agent: str) -> AgentPrompt:
        if not prompts:
            raise PromptError(f"there is no prompt for {agent}")
        return prompts[0]

    claude = make(prompt=prompt)
    with pytest.raises(PromptError):
        claude.begin()
    assert claude.pid is None
    prompts.append(AgentPrompt(text="You write code."))
    claude.begin()
    assert claude.pid is not None


def test_after_the_close_nothing_is_told_and_another_drive_may_start(make: Make, tmp_path: Path) -> None:
    claude = make()
    claude.begin()
    pid = claude.pid
    claude.close()
    assert claude.epoch == 0, "no news is its own"
    assert not Path(f"/proc/{pid}").exists()
    SessionLock(tmp_path / f"{claude.conversation}.lock").release()


ESCAPES = """
import os, subprocess, sys
tool = "echo $$ > pid.new; mv pid.new pid; exec sleep 600"
subprocess.run(f"(env -i setsid sh -c '{tool}' >/dev/null 2>&1 &)", shell=True)
while not os.path.exists("pid"): pass
print('{"type": "assistant"}', flush=True)
sys.stdin.read()
"""


def test_its_end_is_told_when_what_has_shed_all_marks_and_parents_has_ended_too(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make(ESCAPES)
    claude.begin()
    record.wait_for(StreamRead)
    escaped = psutil.Process(int((tmp_path / "pid").read_text()))
    assert lives(escaped)
    assert claude.pid is not None
    os.kill(claude.pid, signal.SIGKILL)  # not by the drive, which would look at its descendants first
    record.wait_for(Exited)
    assert not lives(escaped)


def test_an_idle_one_holds_four_descriptors_and_no_thread(make: Make, record: Record) -> None:
    make().begin()  # there are things that all share
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        other = make()
        other.conversation = str(uuid4())
        other.begin()
        other.write([("a", "hello")])
    record.wait_until(lambda: record.all(StreamRead)[2:])
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors + 3 * EACH
    assert EACH == 4
    assert [each.name for each in threading.enumerate() if each.name.startswith("session-")] == [
        "session-watcher"
    ]


def test_where_it_cannot_be_started_it_holds_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait for the descriptors, and another drive for the conversation."""
    places = Places()
    monkeypatch.setattr(drive, "PLACES", places)

    def fail(_: str) -> AgentPrompt:
        raise PromptError("there is none")

    claude = make(prompt=fail)
    for _ in range(2):
        with pytest.raises(PromptError):
            claude.begin()
    assert places._taken == 0
    other = make()
    other.begin()
    assert places._taken == 1
    other.close()
    other.close()
    assert places._taken == 0
