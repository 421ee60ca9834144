"""Tests of a session with a router: contexts go in, receipts come back, and each turn's end is reported."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from actors.protocol.deliveries import DeliveryState
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import (
    Deliver,
    Progressed,
    Refusal,
    SessionReady,
    SessionState,
    TurnEnded,
    Unblock,
)
from actors.session.actor import MOST_MISSES
from actors.session.drives.stream import drive
from actors.session.drives.stream.drive import StreamDrive
from actors.session.drives.stream.lock import SessionLock
from supervisors import Handle
from tests.actors.session.stage import NAME, NoRoom, Stage, lives, wait_for
from tests.actors.support import DEADLINE
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

MIB = 1024 * 1024

# ---------------------------------------------------------------- contexts in


def test_it_announces_itself_and_starts_nothing_before_there_is_work(scripted: Stage) -> None:
    scripted.start()
    assert scripted.record.wait_for(SessionReady).idle
    scripted.tell(RouterStarted())
    assert scripted.record.wait_for(SessionReady, nth=2).idle
    assert scripted.changes == []
    assert scripted.marked() == []


def test_a_first_context_starts_claude_and_each_step_is_reported_with_its_receipt(stage: Stage) -> None:
    # When: a context is delivered.
    stage.start()
    delivery = stage.deliver(message(say("It is done.")))
    turn = stage.wait_turn()
    # Then: it went all the way, each step once and with Claude's own word for it.
    assert stage.states(delivery) == ["written", "accepted", "started", "completed"]
    assert stage.receipts(delivery) == [None, "lifecycle:queued", "replay", "lifecycle:completed"]
    assert stage.steps(delivery)[0].attempts == 1
    # And: the turn's end was told, after the last step.
    assert (turn.text, turn.error, turn.denied) == ("It is done.", None, ())
    assert turn.cost_usd is not None
    told = [each for each in stage.record.all(object) if isinstance(each, Progressed | TurnEnded)]
    assert isinstance(told[-1], TurnEnded)
    assert stage.changes == ["starting", "working", "ready"]
    assert stage.told("It is done.") == 1


def test_the_second_context_finds_it_running(scripted: Stage) -> None:
    scripted.start()
    first = scripted.deliver(message(say("one")))
    scripted.wait_turn()
    second = scripted.deliver(message(say("two")))
    assert scripted.wait_turn(2).text == "two"
    scripted.wait_completed(first, second)
    assert scripted.changes == ["starting", "working", "ready", "working", "ready"]


def test_a_second_delivery_of_the_same_id_changes_nothing(scripted: Stage, gate: Path) -> None:
    # Given: a context whose turn is running.
    scripted.start()
    delivery = scripted.deliver(message(wait_for_gate(gate), say("once")))
    again = Deliver(delivery=scripted.given[delivery])
    scripted.wait_tool()
    # When: it is delivered again, now and when it is done.
    scripted.tell(again)
    gate.touch()
    scripted.wait_turn()
    scripted.tell(again)
    # Then: the next turn ends as any other, and Claude was told it once.
    other = scripted.deliver(message(say("other")))
    assert scripted.wait_turn(2).text == "other"
    assert (
        scripted.states(delivery) == scripted.states(other) == ["written", "accepted", "started", "completed"]
    )
    assert scripted.told('"once"') == 1


def test_two_at_once_are_both_done_before_the_session_is_idle(stage: Stage) -> None:
    stage.start()
    texts = [message(say("first")), message(say("second"))]
    deliveries = [stage.deliver(text) for text in texts]
    turn = stage.wait_turn()
    assert [stage.states(each)[-1] for each in deliveries] == ["completed", "completed"]
    assert turn.text == "second"
    assert len(stage.record.all(TurnEnded)) == 1
    assert [stage.told(text) for text in texts] == [1, 1]


def test_a_context_in_the_midst_of_a_turn_joins_it(stage: Stage, gate: Path) -> None:
    # Given: a tool that runs.
    stage.start()
    first = stage.deliver(message(wait_for_gate(gate), say("the end")))
    stage.wait_tool()
    # When: more comes, and the tool ends.
    second = stage.deliver(message(say("by the way")))
    stage.wait_step(second, DeliveryState.ACCEPTED)
    gate.touch()
    # Then: one turn answers both.
    stage.wait_turn()
    stage.wait_completed(first, second)
    assert len(stage.record.all(TurnEnded)) == 1
    assert stage.receipts(second)[2] == "replay"


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd is a path, and ! is no command\r\nexit\n\\",
        "\x1b[201~\x03\x04\x07\x00\x7f \u202e bidi \u200b",
        " \n leading and trailing \n\n",
        "x" * MIB + "\u00e9\U0001f600end",
    ],
    ids=["commands", "control", "blanks", "mebibyte"],
)
def test_a_text_arrives_exactly(scripted: Stage, text: str) -> None:
    scripted.start()
    delivery = scripted.deliver(text)
    scripted.wait_completed(delivery)
    arrived = [line["message"]["content"] for line in scripted.transcript() if line.get("uuid") == delivery]
    assert arrived == [text]


# ---------------------------------------------------------------- what keeps it from starting


def test_without_a_prompt_it_is_blocked_and_goes_on_once_there_is_one(scripted: Stage) -> None:
    # Given: an agent that has no prompt.
    prompt = scripted.prompts / "coder.txt"
    prompt.unlink()
    scripted.start()
    delivery = scripted.deliver("hello")
    # Then: it says so, and keeps what it was given.
    assert "there is no prompt for coder" in scripted.wait_state(SessionState.BLOCKED).detail
    assert scripted.states(delivery) == []
    # When: there is one, and the agent is unblocked.
    prompt.write_text("You write code.")
    scripted.tell(Unblock())
    scripted.wait_completed(delivery)
    scripted.wait_turn()
    assert scripted.told("hello") == 1


def test_where_claude_is_missing_for_long_it_is_blocked_and_names_it(scripted: Stage) -> None:
    scripted.clock.draw = lambda _low, _high: 0.0
    scripted.start(command=("/nonexistent/claude",))
    delivery = scripted.deliver("hello")
    assert "/nonexistent/claude" in scripted.wait_state(SessionState.BLOCKED).detail
    assert delivery in scripted.outstanding
    # And: more work doesn't try it again by itself; a person does.
    scripted.deliver("more")
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    assert scripted.changes == ["crashed"] * (MOST_MISSES - 1) + ["blocked"]
    scripted.tell(Unblock())
    scripted.wait_state(SessionState.BLOCKED, 2)


def test_a_conversation_that_another_process_uses_is_left_alone(scripted: Stage) -> None:
    lock = SessionLock(scripted.files / f"{scripted.session_id}.lock")
    scripted.start()
    delivery = scripted.deliver("hello")
    assert "another process uses this conversation" in scripted.wait_state(SessionState.BLOCKED).detail
    assert scripted.marked() == []
    lock.release()
    scripted.tell(Unblock())
    scripted.wait_completed(delivery)


def test_to_unblock_one_that_works_changes_nothing(scripted: Stage, gate: Path) -> None:
    scripted.start()
    scripted.deliver(message(wait_for_gate(gate)))
    scripted.wait_tool()
    scripted.tell(Unblock())
    gate.touch()
    scripted.wait_turn()
    assert scripted.changes == ["starting", "working", "ready"]


def test_unblocking_starts_a_session_that_has_nothing_to_do(stage: Stage) -> None:
    stage.start()
    stage.tell(Unblock())
    stage.wait_state(SessionState.READY)
    assert lives(psutil.Process(stage.pid))
    # And: its first delivery finds it there.
    stage.deliver(message(say("hello")))
    assert stage.wait_turn().text == "hello"
    assert len(stage.of_state(SessionState.RESUMING)) == 0


def test_a_changed_prompt_is_applied_to_an_idle_session_by_unblocking_it(stage: Stage) -> None:
    # Given: an idle session, and a prompt that was changed since.
    stage.start()
    stage.deliver(message(say("one")))
    stage.wait_turn()
    before = stage.pid
    (stage.prompts / "coder.txt").unlink()
    (stage.prompts / "coder.md").write_text("---\nallowed_tools: Bash(npm test:*)\n---\nYou write poems.")
    # When: a person has it try again.
    stage.tell(Unblock())
    stage.wait_state(SessionState.READY, 2)
    # Then: it runs anew in its conversation, with what the prompt says now.
    assert stage.pid != before
    wait_for(lambda: "Bash(npm test:*)" in psutil.Process(stage.pid).cmdline(), "the new command line")
    arguments = psutil.Process(stage.pid).cmdline()
    assert ("--resume", stage.session_id) in pairwise(arguments)
    stage.deliver(message(say("two")))
    assert stage.wait_turn(2).text == "two"
    if stage.api is not None:
        assert "You write poems." in str(stage.api.turns()[-1].body["system"])
    # And: where nothing was changed, it goes on as it is.
    now = stage.pid
    stage.tell(Unblock())
    stage.deliver(message(say("three")))
    stage.wait_turn(3)
    assert stage.pid == now


def test_a_context_that_waited_for_an_earlier_incarnation_is_not_forgotten(scripted: Stage) -> None:
    """It is in the mailbox before the conversation is known, and comes again with it."""
    # Given: a context told before the session lives.
    delivery = scripted.deliver("hello", tell=False)
    waiting = Deliver(delivery=scripted.given[delivery])
    scripted.start(before=(waiting,))
    # Then: it is delivered, once.
    scripted.wait_turn()
    assert scripted.states(delivery) == ["written", "accepted", "started", "completed"]


def test_what_waited_for_an_earlier_incarnation_does_not_overtake_what_that_one_had(scripted: Stage) -> None:
    # Given: two contexts; an earlier incarnation had taken the first, and the second waits in the mailbox.
    first, second = (scripted.deliver(text, tell=False) for text in ("first", "second"))
    waiting = Deliver(delivery=scripted.given[second])
    scripted.start(before=(waiting,))
    # Then: claude receives them in their order.
    scripted.wait_completed(first, second)
    assert scripted.texts() == ["first", "second"]


# ---------------------------------------------------------------- how turns go


def test_a_tool_that_was_denied_is_named_at_the_turns_end(stage: Stage, tmp_path: Path) -> None:
    stage.start()
    stage.deliver(message({"bash": f"curl file://{tmp_path}"}, say("I could not.")))
    turn = stage.wait_turn()
    assert turn.denied == (Refusal(tool="Bash", input=f"curl file://{tmp_path}"),)
    assert turn.error is None
    # And: it is told once.
    stage.deliver(message(say("fine")))
    assert stage.wait_turn(2).denied == ()


def test_what_is_no_json_and_noise_on_standard_error_do_no_harm(scripted: Stage) -> None:
    scripted.start(faults={"garbage_line": 1, "stderr_noise": "deprecated!"})
    delivery = scripted.deliver(message(say("fine")))
    assert scripted.wait_turn().text == "fine"
    assert scripted.states(delivery) == ["written", "accepted", "started", "completed"]
    assert scripted.changes == ["starting", "working", "ready"]


# ---------------------------------------------------------------- pressure


def test_one_that_stops_reading_blocks_nothing(scripted: Stage) -> None:
    # Given: a claude that reads no more, with more on its way than a pipe holds.
    scripted.start(faults={"stop_reading": 1})
    first = scripted.deliver(message(say("one")))
    scripted.wait_completed(first)
    big = scripted.deliver("x" * MIB)
    # Then: the session still answers, and doesn't claim that the context was written.
    scripted.tell(RouterStarted())
    ready = scripted.record.wait_for(SessionReady, nth=2)
    assert not ready.idle
    assert scripted.states(big) == []
    # When: it reads on, then all of it arrives.
    os.kill(scripted.pid, signal.SIGCONT)
    scripted.wait_completed(big)
    told = [state for state in scripted.states(big) if state != "written"]  # told by a thread of its own
    assert told == ["accepted", "started", "completed"]


FLOOD = r"""
import json, os, sys, time
line = sys.stdin.readline()
while not os.path.exists("go"):
    time.sleep(0.01)
uuid = json.loads(line)["uuid"]
say = lambda **event: print(json.dumps(event), flush=True)
say(type="command_lifecycle", command_uuid=uuid, state="started")
say(type="user", uuid=uuid, isReplay=True, timestamp="now")
for number in range(3000):
    say(type="system", subtype="init", mcp_servers=[])
say(type="result", is_error=False, result="that was all")
say(type="command_lifecycle", command_uuid=uuid, state="completed")
sys.stdin.read()
"""


@pytest.fixture
def let_go() -> threading.Event:
    return threading.Event()


@pytest.fixture
def flood(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch, let_go: threading.Event
) -> Callable[[str], Handle]:
    """Have claude write much while its actor is busy until ``let_go`` is set; return the actor's address."""
    is_busy = threading.Event()

    class Slow(StreamDrive):
        def write(self, messages: list[tuple[str, str]]) -> list[str]:
            written = super().write(messages)
            is_busy.set()
            assert let_go.wait(30)
            return written

    def begin(program: str) -> Handle:
        monkeypatch.setattr(drive, "ROOM", 5)
        scripted.start(command=(sys.executable, "-c", program), drive=Slow)
        scripted.deliver("talk")
        assert is_busy.wait(DEADLINE)
        (scripted.work / "go").touch()
        scripted.news.wait_for(NoRoom)
        return scripted.system.handle(NAME)

    return begin


def test_a_flood_of_output_waits_for_the_actor(
    scripted: Stage, flood: Callable[[str], Handle], let_go: threading.Event
) -> None:
    # When: claude has much to say, then the reading thread waits, and no more than that lies in the mailbox.
    session = flood(FLOOD)
    assert session.waiting == 5
    # And: all of it comes in the end.
    let_go.set()
    assert scripted.wait_turn().text == "that was all"


def test_a_flood_does_not_hold_up_the_stop(
    scripted: Stage, flood: Callable[[str], Handle], let_go: threading.Event
) -> None:
    flood(FLOOD.replace("range(3000)", "iter(int, 1)"))
    threads = [each for each in threading.enumerate() if each.name.startswith("session-")]
    let_go.set()
    scripted.stop()
    assert not any(each.is_alive() for each in threads)
    assert scripted.marked() == []
