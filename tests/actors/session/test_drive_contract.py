"""The contract of ``Drive``, checked for each drive with each program that it runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from actors.agents.prompt import PromptError
from actors.protocol.deliveries import ORDER
from actors.protocol.feed import ToolUsed
from actors.session import SessionSettings
from actors.session.clock import SystemClock
from actors.session.drive import (
    Acted,
    Drive,
    DriveFactory,
    Exited,
    Fact,
    FromDrive,
    MessageMoved,
    OfProcess,
    Past,
    SessionTakenError,
    StreamRead,
    TurnOver,
    Written,
)
from actors.session.drives.stream.drive import StreamDrive
from tests.actors.session.stage import AGENT, Stage, lives, wait_for
from tests.actors.support import Record
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

DRIVES: dict[str, DriveFactory] = {"stream": StreamDrive}
"""All drives; a new one is added here, and checked against the contract."""
MIB = 2**20


class Ear:
    """The owner of a drive, which records all that it is told."""

    def __init__(self) -> None:
        self.record = Record()

    def tell(self, message: FromDrive) -> None:
        """Record a message."""
        self.record.add(message)

    def wait_for_room(self, limit: int, timeout: float) -> bool:  # noqa: ARG002 - there always is
        """Return at once: there is always room."""
        return True


class Theatre:
    """A drive in a conversation of its own, and the messages that it has sent.

    Args:
        drive: Makes the drive.
        stage: Has the program and its files.
    """

    def __init__(self, drive: DriveFactory, stage: Stage) -> None:
        self._factory = drive
        self._made: list[Drive] = []
        self.stage = stage
        self.conversation = stage.session_id
        self.drive, self.record = self.another()

    def another(self) -> tuple[Drive, Record]:
        """Make another drive for the same agent."""
        ear = Ear()
        drive = self._factory(AGENT, SessionSettings(**self.stage.options), ear, SystemClock())
        self._made.append(drive)
        return drive, ear.record

    def start(self) -> Past:
        """Start the drive in the conversation."""
        return self.drive.start(self.conversation)

    def write(self, text: str) -> str:
        """Write one message; return its id."""
        message_id = str(uuid4())
        self.drive.write([(message_id, text)])
        return message_id

    def facts(self) -> list[Fact]:
        """Return the facts so far."""
        return [fact for read in self.record.all(StreamRead) for fact in read.facts]

    def wait_fact(self, found: Callable[[Fact], bool]) -> Fact:
        """Wait for the first fact that fits."""
        return self.record.wait_until(lambda: [fact for fact in self.facts() if found(fact)])[0]

    def wait_turn(self, nth: int = 1) -> TurnOver:
        """Wait for the nth end of a turn."""
        return self.record.wait_until(lambda: self.turns()[nth - 1 :])[0]

    def turns(self) -> list[TurnOver]:
        """Return the ends of turns so far."""
        return [fact for fact in self.facts() if isinstance(fact, TurnOver)]

    def receipts(self, message_id: str) -> list[str]:
        """Return the receipts of a message so far."""
        return [
            fact.state.value
            for fact in self.facts()
            if isinstance(fact, MessageMoved) and fact.uuid == message_id
        ]

    def wait_over(self, *message_ids: str) -> None:
        """Wait for the last receipt of these."""
        last = max(self.drive.receipts, key=ORDER.__getitem__)
        for message_id in message_ids:
            self.wait_fact(
                lambda fact, each=message_id: (  # type: ignore[misc]
                    isinstance(fact, MessageMoved) and (fact.uuid, fact.state) == (each, last)
                )
            )

    def work(self, gate: Path, *rest: dict[str, str]) -> str:
        """Have it use a tool that runs until the gate exists; return the message's id."""
        message_id = self.write(message(wait_for_gate(gate), *rest))
        self.wait_fact(lambda fact: isinstance(fact, Acted) and isinstance(fact.activities[-1], ToolUsed))
        wait_for(lambda: len(self.stage.marked()) > 1, "the tool")
        return message_id

    def close(self) -> None:
        """Close all drives."""
        for drive in self._made:
            drive.close()


@pytest.fixture(params=DRIVES)
def theatre(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Theatre]:
    theatre = Theatre(DRIVES[request.param], stage)
    yield theatre
    theatre.close()


# ---------------------------------------------------------------- messages


def test_a_message_gets_its_receipts_and_is_history_in_the_end(theatre: Theatre) -> None:
    # Given: a new conversation.
    drive = theatre.drive
    assert (drive.epoch, drive.pid, drive.heard_at) == (0, None, 0.0)
    assert theatre.start() == Past()
    assert drive.epoch > 0
    assert drive.pid is not None
    assert psutil.pid_exists(drive.pid)
    assert not drive.is_resumed
    # When: it is given a message.
    message_id = str(uuid4())
    assert drive.write([(message_id, message(say("hello")))]) == [message_id]
    # Then: the receipts that it promises come, each under that id, and in their order.
    theatre.wait_over(message_id)
    assert theatre.wait_turn().text == "hello"
    states = theatre.receipts(message_id)
    assert {state.value for state in drive.receipts} <= set(states)
    assert states == sorted(states, key=[state.value for state in ORDER].index)
    # And: everything is told under the process' number, and it isn't told that what didn't wait was written.
    assert {each.epoch for each in theatre.record.all(OfProcess)} == {drive.epoch}
    assert theatre.record.all(Written) == []
    assert drive.heard_at > 0
    # And: the history knows it.
    past = drive.read_history()
    assert message_id in past.arrived
    assert (past.is_answered, past.last_text) == (True, "hello")


def test_what_has_to_wait_for_room_is_told_when_it_is_in(theatre: Theatre) -> None:
    theatre.start()
    ids = [str(uuid4()) for _ in range(3)]
    texts = [message(say("small")), message(say("big")) + "\n> " + "x" * MIB, message(say("behind"))]
    told = theatre.drive.write(list(zip(ids, texts, strict=True)))
    assert told == ids[:1]
    theatre.record.wait_for(Written, lambda written: written.delivery_id == ids[2])
    assert [each.delivery_id for each in theatre.record.all(Written)] == ids[1:]
    theatre.wait_over(*ids)


def test_the_same_id_runs_once(theatre: Theatre) -> None:
    if not theatre.drive.idempotent_by_id:
        pytest.skip("it doesn't promise that")
    theatre.start()
    message_id, text = str(uuid4()), message(say("once"))
    # When: a message is written again, at once and when it is over.
    theatre.drive.write([(message_id, text), (message_id, text)])
    theatre.wait_over(message_id)
    theatre.drive.write([(message_id, text)])
    other = theatre.write(message(say("other")))
    theatre.wait_over(other)
    # Then: the model was told it once.
    assert theatre.stage.told(text) == 1


def test_a_message_in_the_midst_of_a_turn_joins_it(theatre: Theatre, gate: Path) -> None:
    if not theatre.drive.takes_input_mid_turn:
        pytest.skip("it doesn't promise that")
    theatre.start()
    first = theatre.work(gate, say("the end"))
    second = theatre.write(message(say("by the way")))
    theatre.record.wait_until(lambda: theatre.receipts(second)[:1])
    gate.touch()
    theatre.wait_over(first, second)
    theatre.wait_turn()
    assert len(theatre.turns()) == 1


def test_an_interruption_ends_the_turn_and_the_next_message_has_one_of_its_own(
    theatre: Theatre, gate: Path
) -> None:
    # Given: a turn that would last.
    theatre.start()
    first = theatre.work(gate, say("never"))
    # When: it is interrupted, then it is over, and so is its message.
    theatre.drive.interrupt()
    turn = theatre.wait_turn()
    assert turn.error
    assert not turn.by_api
    theatre.wait_over(first)
    # And: the process goes on.
    second = theatre.write(message(say("still here")))
    theatre.wait_over(second)
    assert theatre.wait_turn(2).text == "still here"
    assert theatre.record.all(Exited) == []
    assert theatre.record.all(Written) == []


def test_without_a_turn_an_interruption_does_nothing(theatre: Theatre) -> None:
    theatre.start()
    first = theatre.write(message(say("one")))
    theatre.wait_over(first)
    theatre.drive.interrupt()
    second = theatre.write(message(say("two")))
    theatre.wait_over(second)
    assert theatre.wait_turn(2).text == "two"


# ---------------------------------------------------------------- ends


def test_without_a_process_nothing_is_taken(theatre: Theatre) -> None:
    assert theatre.drive.write([("a", "text")]) == []
    theatre.drive.interrupt()
    theatre.drive.kill()
    theatre.drive.close()
    assert theatre.record.all(object) == []


def test_a_kill_is_told_once_when_nothing_is_left(theatre: Theatre, gate: Path) -> None:
    # Given: one at work, with a tool of its own.
    theatre.start()
    theatre.work(gate)
    left = theatre.stage.marked()
    # When: it is killed, and once more.
    theatre.drive.kill()
    theatre.drive.kill()
    exited = theatre.record.wait_for(Exited)
    # Then: nothing of it lives when that is told.
    assert (exited.epoch, exited.code) == (theatre.drive.epoch, -9)
    assert not any(map(lives, left))
    # And: it is the last of this process.
    theatre.drive.kill()
    theatre.drive.write([("late", "text")])
    theatre.drive.close()
    assert theatre.record.all(OfProcess)[-1] == exited
    assert theatre.record.all(Exited) == [exited]


@pytest.mark.parametrize("end", ["kill", "close"])
def test_to_start_again_goes_on_with_the_conversation(theatre: Theatre, end: str) -> None:
    # Given: a conversation whose process has ended.
    theatre.start()
    first = theatre.write(message(say("one")))
    theatre.wait_over(first)
    theatre.wait_turn()
    epoch = theatre.drive.epoch
    if end == "kill":
        theatre.drive.kill()
        theatre.record.wait_for(Exited)
    else:
        theatre.drive.close()
    # When: it is started again, then it tells what there was.
    past = theatre.start()
    assert first in past.arrived
    assert (past.is_answered, past.last_text) == (True, "one")
    assert theatre.drive.is_resumed
    assert theatre.drive.epoch > epoch
    # And: that process is heard.
    second = theatre.write(message(say("two")))
    theatre.wait_over(second)
    assert {first, second} <= theatre.drive.read_history().arrived


def test_a_message_that_was_cut_off_is_an_open_end_of_the_history(theatre: Theatre, gate: Path) -> None:
    theatre.start()
    cut_off = theatre.work(gate)
    theatre.drive.kill()
    theatre.record.wait_for(Exited)
    past = theatre.start()
    assert cut_off in past.arrived
    assert not past.is_answered


def test_a_close_ends_everything_and_tells_nothing_from_then_on(theatre: Theatre, gate: Path) -> None:
    # Given: one at work, with a tool of its own and a message that waits for room.
    theatre.start()
    theatre.work(gate)
    theatre.drive.write([(str(uuid4()), "x" * MIB)])
    left = theatre.stage.marked()
    # When: it is closed.
    before = len(theatre.record.all(object))
    theatre.drive.close()
    told = theatre.record.all(object)
    # Then: nothing lives any more.
    assert theatre.stage.marked() == []
    wait_for(lambda: not any(map(lives, left)), "the end of all of them")
    assert (theatre.drive.epoch, theatre.drive.pid) == (0, None)
    # And: nothing is told, while another drive continues the conversation, and however often it is closed.
    assert not [each for each in told[before:] if isinstance(each, Exited)]
    drive, record = theatre.another()
    drive.start(theatre.conversation)
    drive.kill()
    record.wait_for(Exited)
    theatre.drive.close()
    assert theatre.record.all(object) == told


def test_no_other_drive_may_use_a_conversation_from_the_first_start_to_the_close(theatre: Theatre) -> None:
    theatre.start()
    theatre.drive.kill()
    theatre.record.wait_for(Exited)
    other, _ = theatre.another()
    with pytest.raises(SessionTakenError):
        other.start(theatre.conversation)
    other.close()
    theatre.drive.close()
    assert other.start(theatre.conversation) == Past()


def test_a_start_that_fails_leaves_nothing_and_may_be_repeated(theatre: Theatre) -> None:
    prompt = theatre.stage.prompts / f"{AGENT}.txt"
    text = prompt.read_text()
    prompt.unlink()
    with pytest.raises(PromptError):
        theatre.start()
    assert theatre.stage.marked() == []
    prompt.write_text(text)
    theatre.start()
    theatre.wait_over(theatre.write(message(say("hello"))))
