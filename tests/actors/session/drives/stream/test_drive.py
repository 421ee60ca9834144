"""An agent's claude: one process in a conversation that nobody else leads, and what is known after its end."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from actors.agents.prompt import AgentPrompt, PromptError
from actors.session.drives.stream.command import SessionSettings
from actors.session.drives.stream.drive import Claude, describe_exit
from actors.session.drives.stream.lock import SessionLock, SessionTakenError
from actors.session.drives.stream.parse import Answering, user_message
from actors.session.news import Exited, FromProcess, StreamRead, Written
from actors.session.policy import CRASHES
from supervisors import System
from tests.actors.session.stage import NOWHERE
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
FAILS = 'import sys; sys.exit("No conversation found with this id")'


def _standing(claude: Claude) -> tuple[bool, int | None, float]:
    return claude.is_running, claude.pid, claude.silent_since


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def system(record: Record) -> Iterator[System]:
    with running(recorder("owner", record)) as system:
        yield system


Make = Callable[..., Claude]


@pytest.fixture
def make(tmp_path: Path, system: System) -> Iterator[Make]:
    """Makes a claude of a small program; its conversation's id is the same each time."""
    session_id, made = str(uuid4()), []

    def _make(program: str = SPEAKS, prompt: Callable[[str], AgentPrompt] | None = None) -> Claude:
        settings = SessionSettings(
            command=(sys.executable, "-c", program),
            directory=tmp_path,
            environment={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            files=tmp_path,
            readable=tmp_path,
            results=tmp_path / "*.json",
            pipe=lambda agent: tmp_path / f"{agent}.pipe",
            prompt=prompt or (lambda _: AgentPrompt(text="You write code.")),
            gateway_url=NOWHERE,
            token=lambda agent: agent,
        )
        claude = Claude("coder", settings, system.handle("owner"))
        claude.session_id = session_id
        made.append(claude)
        return claude

    yield _make
    for claude in made:
        claude.close()


def transcript(directory: Path, claude: Claude) -> None:
    """Let there be a conversation that was cut off."""
    path = directory / ".claude" / "projects" / "work" / f"{claude.session_id}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"type": "user", "uuid": "a"}\n')


def end(claude: Claude, record: Record) -> Exited:
    """Kill it, and wait until that was told."""
    claude.kill()
    return record.wait_for(Exited, lambda exited: exited.epoch == claude.epoch)


def test_what_it_says_and_its_end_are_told_under_its_number(make: Make, record: Record) -> None:
    claude = make()
    assert _standing(claude) == (False, None, 0.0)
    assert claude.start().is_answered
    assert claude.pid is not None
    assert claude.silent_since > 0
    assert claude.write([("a", user_message("a", "hello"))]) == ["a"]
    assert record.wait_for(StreamRead) == StreamRead(epoch=claude.epoch, facts=(Answering(),))
    assert end(claude, record).code == -9
    assert claude.is_running, "until its owner has taken note"
    claude.ended(-9, "")
    assert _standing(claude) == (False, None, 0.0)


def test_what_means_nothing_to_anybody_is_not_told(make: Make, record: Record) -> None:
    claude = make("print('{}')")
    claude.start()
    record.wait_for(Exited)
    assert record.all(StreamRead) == []


def test_each_process_has_its_own_number(make: Make, record: Record) -> None:
    claude, epochs = make(), []
    for _ in range(2):
        claude.start()
        epochs.append(claude.epoch)
        end(claude, record)
        claude.ended(-9, "")
    assert epochs[0] < epochs[1]
    assert {each.epoch for each in record.all(FromProcess)} == set(epochs)


def test_what_had_to_wait_for_room_is_told_when_it_is_written(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make(WAITS)
    claude.start()
    assert claude.write([("a", b"x" * 2**20)]) == []
    assert record.all(Written) == []
    (tmp_path / "go").touch()
    assert record.wait_for(Written) == Written(epoch=claude.epoch, delivery_id="a")


def test_without_a_process_nothing_is_written(make: Make) -> None:
    claude = make()
    assert claude.write([("a", b"x\n")]) == []
    claude.kill()


# ---------------------------------------------------------------- the conversation


def test_a_conversation_that_is_there_is_gone_on_with_and_what_it_says_is_told_first(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make()
    transcript(tmp_path, claude)
    history = claude.start()
    assert (history.arrived, history.is_answered) == ({"a"}, False)
    assert claude.is_resumed
    assert claude.read_transcript() == history
    claude.write([("b", b"\n")])
    record.wait_for(StreamRead)
    assert f"'--resume', '{claude.session_id}'" in (tmp_path / "arguments").read_text()


def test_one_that_claude_does_not_know_is_begun_anew_and_after_that_gone_on_with(
    make: Make, record: Record, tmp_path: Path
) -> None:
    claude = make(FAILS)
    transcript(tmp_path, claude)
    resumed = []
    for _ in range(2):
        claude.start()
        resumed.append(claude.is_resumed)
        exited = record.wait_for(Exited, lambda exited: exited.epoch == claude.epoch)
        claude.ended(exited.code, exited.noise)
    claude.ended(1, "something else")
    claude.start()
    assert [*resumed, claude.is_resumed] == [True, False, True]


def test_it_leads_the_conversation_from_its_first_start_to_its_close(make: Make, record: Record) -> None:
    # Given: one whose process has ended.
    first, second = make(), make()
    first.start()
    end(first, record)
    first.ended(-9, "")
    # Then: the conversation is still its own.
    with pytest.raises(SessionTakenError):
        second.start()
    assert not second.is_running
    first.close()
    second.start()
    assert second.is_running


def test_the_process_of_somebody_who_leads_it_is_left_alone(make: Make, record: Record) -> None:
    first = make()
    first.start()
    with pytest.raises(SessionTakenError):
        make().start()
    first.write([("a", b"\n")])
    record.wait_for(StreamRead)


def test_one_that_could_not_be_started_may_be_once_the_reason_is_gone(make: Make) -> None:
    prompts: list[AgentPrompt] = []

    def prompt(agent: str) -> AgentPrompt:
        if not prompts:
            raise PromptError(f"there is no prompt for {agent}")
        return prompts[0]

    claude = make(prompt=prompt)
    with pytest.raises(PromptError):
        claude.start()
    assert not claude.is_running
    prompts.append(AgentPrompt(text="You write code."))
    claude.start()
    assert claude.is_running


def test_after_the_close_nothing_is_heard_and_somebody_else_may_lead(make: Make, tmp_path: Path) -> None:
    claude = make()
    claude.start()
    pid = claude.pid
    claude.close()
    assert claude.epoch == 0, "no news is its own"
    assert not Path(f"/proc/{pid}").exists()
    SessionLock(tmp_path / f"{claude.session_id}.lock").release()


# ---------------------------------------------------------------- crashes


def test_a_crash_says_what_happened_and_how_long_to_wait(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    claude = make()
    crash, other = claude.ended(1, "x" * 600), claude.ended(-9, "")
    assert crash.detail == "claude ended by itself with exit code 1: " + "x" * 500
    assert other.detail == "claude ended by itself with signal 9"
    assert (crash.seconds, other.seconds) == (0.4, 0.8)


def test_after_too_many_it_is_for_a_person_until_something_good_happens(make: Make) -> None:
    claude = make()
    crashes = [claude.ended(1, "") for _ in range(CRASHES + 1)]
    assert [crash.seconds is None for crash in crashes] == [False] * CRASHES + [True]
    assert crashes[-1].detail.endswith(f"exit code 1; it crashed {CRASHES + 1} times in a row")
    claude.forget_crashes()
    assert claude.ended(1, "").seconds is not None


def test_an_end_in_words() -> None:
    assert (describe_exit(3), describe_exit(-15)) == ("exit code 3", "signal 15")
