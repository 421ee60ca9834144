"""Tests of crashes of claude, of its actor and of the coordinator: each context is completed exactly once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from actors.lib.process_marks import MARK
from actors.protocol.deliveries import DeliveryState
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Adopt, Progressed, SessionReady, SessionState, TurnEnded, Unblock
from actors.session import crashes
from actors.session.drive import EPOCHS, Exited
from actors.session.drives.stream import drive
from actors.session.timers import ReceiptDue
from supervisors.drill import crash
from tests.actors.session.stage import NAME, Stage, lives, wait_for
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

CONTINUED = "Your process was interrupted"
ALL = ["written", "accepted", "started", "completed"]


# ---------------------------------------------------------------- claude dies


def test_what_was_lost_before_its_receipt_is_written_again_under_the_same_id(scripted: Stage) -> None:
    scripted.start(faults={"crash_before_receipt": 1})
    delivery = scripted.deliver(message(say("once")))
    scripted.wait_turn()
    assert "signal 9" in scripted.wait_state(SessionState.CRASHED).detail
    assert scripted.states(delivery) == ["written", *ALL]
    assert [step.attempts for step in scripted.steps(delivery)[:2]] == [1, 2]
    assert [line.get("uuid") for line in scripted.transcript()].count(delivery) == 1
    assert scripted.told(CONTINUED) == 0


def test_what_waited_behind_a_turn_is_written_again_after_the_crash(stage: Stage, gate: Path) -> None:
    """Claude had accepted it and forgets it; the turn that was cut off is continued."""
    # Given: one context at work, another one accepted.
    stage.start()
    texts = [message(wait_for_gate(gate), say("one")), message(say("two"))]
    working = stage.deliver(texts[0])
    stage.wait_tool()
    waiting = stage.deliver(texts[1])
    stage.wait_step(waiting, DeliveryState.ACCEPTED)
    # When: claude dies.
    gate.touch()
    stage.crash()
    # Then: both are done, in the same conversation, told once each.
    stage.wait_turn()
    stage.wait_completed(working, waiting)
    assert [stage.told(text) for text in texts] == [1, 1]
    assert stage.told(CONTINUED) == 1
    assert "resuming" in stage.changes
    # And: the one that was cut off is done when its continuation is, not when the next turn happens to end.
    steps = [step for report in stage.record.all(Progressed) for step in report.steps]
    assert [step.delivery_id for step in steps if step.state.is_final] == [waiting, working]


def test_a_turn_that_was_cut_off_is_continued_and_its_context_not_sent_again(
    stage: Stage, gate: Path
) -> None:
    # Given: a tool that runs.
    stage.start()
    text = message(wait_for_gate(gate), say("the rest"))
    delivery = stage.deliver(text)
    stage.wait_tool()
    # When: claude dies.
    gate.touch()
    stage.crash()
    # Then: it is told to go on, does the rest, and that completes the context.
    turn = stage.wait_turn()
    assert turn.text == "the rest"
    assert stage.states(delivery) == ALL
    assert stage.receipts(delivery)[-1] == "transcript"
    assert stage.told(text) == 1
    assert stage.told(CONTINUED) == 1
    assert len(stage.record.all(TurnEnded)) == 1


def test_in_the_window_before_the_first_answer_nothing_runs_twice(stage: Stage) -> None:
    """A claude that was killed while the model thinks would run the same id a second time."""
    stage.start()
    text = message({"sleep": 0.5}, say("thought about it"))
    delivery = stage.deliver(text)
    stage.wait_transcript(lambda line: line.get("uuid") == delivery)
    stage.crash()
    stage.wait_turn()
    assert stage.states(delivery) == ALL
    assert stage.receipts(delivery)[-1] == "transcript"
    assert stage.told(text) == 1
    assert stage.told(CONTINUED) == 1


def test_what_waited_together_and_became_one_message_is_not_sent_again(stage: Stage) -> None:
    """The transcript has one line with the id of the last, and claude would run the others again."""
    stage.start()
    texts = [message({"sleep": 0.7}, say("one")), message(say("two")), message({"sleep": 0.7}, say("three"))]
    deliveries = [stage.deliver(texts[0])]
    stage.wait_step(deliveries[0], DeliveryState.STARTED)
    deliveries += [stage.deliver(each) for each in texts[1:]]
    stage.wait_transcript(lambda line: line.get("uuid") == deliveries[2])
    stage.crash()
    stage.wait_completed(*deliveries)
    assert [stage.told(each) for each in texts] == [1, 1, 1]
    assert stage.told(CONTINUED) == 1


def test_one_that_had_joined_a_turn_is_not_sent_again_either(
    stage: Stage, gate: Path, tmp_path: Path
) -> None:
    """The other window: the transcript has it as an attachment only, and claude would run it again."""
    stage.start()
    other = tmp_path / "other"
    texts = [message(wait_for_gate(gate), wait_for_gate(other)), message(say("joined"))]
    deliveries = [stage.deliver(texts[0])]
    stage.wait_tool()
    deliveries.append(stage.deliver(texts[1]))
    stage.wait_step(deliveries[1], DeliveryState.ACCEPTED)
    gate.touch()
    stage.wait_step(deliveries[1], DeliveryState.STARTED)
    stage.wait_transcript(lambda line: deliveries[1] in str(line.get("attachment")))
    other.touch()
    stage.crash()
    stage.wait_turn()
    stage.wait_completed(*deliveries)
    assert [stage.told(text) for text in texts] == [1, 1]


def test_killed_before_there_is_a_transcript_it_begins_anew_under_the_same_ids(scripted: Stage) -> None:
    scripted.start(faults={"crash_before_transcript": 1})
    delivery = scripted.deliver(message(say("once")))
    scripted.wait_turn()
    scripted.wait_completed(delivery)
    assert scripted.told('"once"') == 1
    assert "resuming" not in scripted.changes
    # And: what had been said of it is taken back, with the reason.
    assert scripted.states(delivery) == ["written", "accepted", "queued", *ALL]
    assert "history" in str(scripted.steps(delivery)[2].reason)


def test_killed_after_the_last_word_the_turn_is_over_and_nothing_is_asked(scripted: Stage) -> None:
    scripted.start(faults={"crash_before_result": 1})
    delivery = scripted.deliver(message(say("all is said")))
    turn = scripted.wait_turn()
    assert turn.text == "all is said"
    assert scripted.receipts(delivery)[-1] == "transcript"
    assert scripted.told(CONTINUED) == 0
    # And: the conversation goes on.
    scripted.deliver(message(say("next")))
    assert scripted.wait_turn(2).text == "next"


@pytest.mark.parametrize(
    ("end", "number", "words"),
    [
        (os.kill, signal.SIGTERM, "exit code 143"),
        (os.kill, signal.SIGABRT, "signal 6"),
        (os.killpg, signal.SIGKILL, "signal 9"),
    ],
)
def test_however_it_is_ended_it_goes_on_in_the_same_conversation(
    stage: Stage, gate: Path, end: Callable[[int, int], None], number: signal.Signals, words: str
) -> None:
    stage.start()
    delivery = stage.deliver(message(wait_for_gate(gate), say("the rest")))
    stage.wait_tool()
    wait_for(lambda: len(stage.marked()) > 1, "the tool")
    tools = [each for each in stage.marked() if each.pid != stage.pid]
    end(stage.pid, number)
    assert words in stage.wait_state(SessionState.CRASHED).detail
    wait_for(lambda: not any(map(lives, tools)), "the end of the tool")
    gate.touch()
    assert stage.wait_turn().text == "the rest"
    stage.wait_completed(delivery)
    assert stage.told("the rest") == stage.told(CONTINUED) == 1


def test_one_that_closes_its_terminal_is_ended_and_resumed(scripted: Stage) -> None:
    scripted.start(faults={"close_terminal": 1})
    delivery = scripted.deliver(message(say("after all")))
    assert "signal 9" in scripted.wait_state(SessionState.CRASHED).detail
    assert scripted.wait_turn().text == "after all"
    scripted.wait_completed(delivery)
    assert scripted.told("after all") == scripted.told(CONTINUED) == 1


def test_half_a_line_and_an_exit_code(scripted: Stage) -> None:
    scripted.start(faults={"half_line_then_exit": 1})
    delivery = scripted.deliver(message(say("whole")))
    scripted.wait_turn()
    scripted.wait_completed(delivery)
    assert "exit code 1" in scripted.wait_state(SessionState.CRASHED).detail
    assert scripted.told('"whole"') == 1


def test_an_idle_claude_that_dies_is_there_again_for_the_next_context(scripted: Stage) -> None:
    scripted.start()
    first = scripted.deliver(message(say("one")))
    scripted.wait_turn()
    scripted.crash()
    scripted.wait_state(SessionState.RESUMING)
    second = scripted.deliver(message(say("two")))
    assert scripted.wait_turn(2).text == "two"
    scripted.wait_completed(first, second)
    assert scripted.told(CONTINUED) == 0


def test_a_context_that_comes_while_it_is_down_waits_for_it(scripted: Stage) -> None:
    scripted.clock.draw = lambda _low, _high: 0.2
    scripted.start()
    scripted.deliver(message(say("one")))
    scripted.wait_turn()
    scripted.crash()
    delivery = scripted.deliver(message(say("two")))
    scripted.wait_completed(delivery)
    assert scripted.states(delivery) == ALL


@pytest.mark.parametrize("code", [0, 3, 255])
def test_a_crash_loop_blocks_the_agent_keeps_its_contexts_and_ends_when_a_person_says_so(
    scripted: Stage, code: int
) -> None:
    # Given: a claude that ends at once, whenever it is started.
    scripted.start(faults={"exit_on_start": code}, receipt_seconds=0.01, max_attempts=1000)
    delivery = scripted.deliver(message(say("at last")))
    # Then: it is started some times, no more, and its agent is blocked.
    blocked = scripted.wait_state(SessionState.BLOCKED)
    assert f"exit code {code}" in blocked.detail
    assert f"it ended so {crashes.ENDS + 1} times in a row" in blocked.detail
    assert scripted.changes.count("crashed") == crashes.ENDS
    assert delivery in scripted.outstanding
    # And: it doesn't wait for a receipt that isn't owed.
    scripted.tell(ReceiptDue())
    # And: what comes now doesn't start it either.
    more = scripted.deliver(message(say("more")))
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    assert scripted.clock.pending() == []
    assert scripted.changes[-1] == "blocked"
    # When: the reason is gone, and a person says so, then all of it is done.
    scripted.environment["SCRIPTED_CLAUDE_FAULTS"] = "{}"
    scripted.tell(Unblock())
    scripted.wait_completed(delivery, more)
    assert [scripted.told(f'"{text}"') for text in ("at last", "more")] == [1, 1]


def test_a_turn_that_ends_well_forgets_the_crashes_before_it(scripted: Stage) -> None:
    scripted.start()
    for number in range(1, crashes.KILLS + 3):
        scripted.deliver(message(say(f"turn {number}")))
        scripted.wait_turn(number)
        scripted.crash(number)
    assert "blocked" not in scripted.changes


def test_tools_of_a_claude_that_was_killed_do_not_outlive_it(stage: Stage, gate: Path) -> None:
    stage.start()
    stage.deliver(message(wait_for_gate(gate), say("went on")))
    stage.wait_tool()
    wait_for(lambda: len(stage.marked()) > 1, "the tool")
    tools = [each for each in stage.marked() if each.pid != stage.pid]
    stage.crash()
    wait_for(lambda: not any(map(lives, tools)), "the end of the tool")
    gate.touch()
    stage.wait_turn()


# ---------------------------------------------------------------- its actor dies, or the coordinator


@pytest.mark.expected_errors("child_exited")
def test_the_next_incarnation_goes_on_in_the_same_conversation(stage: Stage, gate: Path) -> None:
    # Given: a context at work, and one that waits.
    stage.start()
    texts = [message(wait_for_gate(gate), say("one")), message(say("two"))]
    deliveries = [stage.deliver(texts[0])]
    stage.wait_tool()
    deliveries.append(stage.deliver(texts[1]))
    stage.wait_step(deliveries[1], DeliveryState.ACCEPTED)
    before = stage.pid
    # When: the actor dies, and its claude with it.
    gate.touch()
    crash(stage.system, NAME, RuntimeError("drill"))
    stage.record.wait_for(SessionReady, nth=2)
    # Then: the next one takes all of it up, and nothing is told twice.
    stage.wait_turn()
    stage.wait_completed(*deliveries)
    assert not psutil.pid_exists(before)
    assert [stage.told(text) for text in texts] == [1, 1]


@pytest.mark.expected_errors("child_exited")
@pytest.mark.parametrize("first", [(), ("three",)], ids=["alone", "behind a new one"])
def test_contexts_that_were_done_unnoticed_are_each_settled(scripted: Stage, first: tuple[str, ...]) -> None:
    """Two were done and the actor died before it could report so: the transcript has both."""
    # Given: two contexts that are done, and a router that hasn't heard.
    scripted.start()
    done = [scripted.deliver(message(say(name))) for name in ("one", "two")]
    scripted.wait_turn()
    # When: a new incarnation is given them again, perhaps with a new one before them.
    new = [scripted.deliver(message(say(name)), tell=False) for name in first]
    scripted.outstanding.update({each: scripted.given[each] for each in done})
    crash(scripted.system, NAME, RuntimeError("drill"))
    # Then: all are settled, and none of the old ones was resent.
    for delivery in done:
        assert scripted.wait_step(delivery, DeliveryState.COMPLETED, 2).receipt == "transcript"
    scripted.wait_completed(*new)
    scripted.wait_turn(2)
    assert [scripted.told(f'"{name}"') for name in ("one", "two", *first)] == [1] * (2 + len(first))
    assert scripted.told(CONTINUED) == 0


@pytest.mark.expected_errors("child_exited")
def test_the_last_words_of_an_earlier_incarnations_claude_are_not_heard(scripted: Stage) -> None:
    scripted.start()
    first = scripted.deliver(message(say("one")))
    scripted.wait_turn()
    stale = next(EPOCHS) - 1
    crash(scripted.system, NAME, RuntimeError("drill"))
    second = scripted.deliver(message(say("two")))
    scripted.tell(Exited(epoch=stale, code=1, noise="of the one before"))
    scripted.wait_completed(first, second)
    assert "crashed" not in scripted.changes


def test_a_new_coordinator_takes_the_conversation_up(stage: Stage, gate: Path) -> None:
    # Given: a context at work when everything is stopped.
    stage.start()
    text = message(wait_for_gate(gate), say("the rest"))
    delivery = stage.deliver(text)
    stage.wait_tool()
    stage.close()
    assert stage.marked() == []
    # When: all of it is started anew.
    gate.touch()
    stage.start()
    assert stage.wait_turn().text == "the rest"
    stage.wait_completed(delivery)
    assert stage.told(text) == 1


ORPHAN = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
)


def test_an_orphaned_claude_of_the_conversation_is_ended_first(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a process of this conversation whose coordinator was killed; it doesn't mind SIGTERM.
    monkeypatch.setattr(drive, "ORPHAN_SECONDS", 0.05)
    made = subprocess.run(
        [sys.executable, "-c", ORPHAN, sys.executable, "-c", STUBBORN],
        env={MARK: scripted.session_id},
        stdout=subprocess.PIPE,
        check=True,
    )
    orphan = psutil.Process(int(made.stdout))
    assert lives(orphan)
    # When: the new coordinator starts claude in it.
    scripted.start()
    scripted.deliver("hello")
    scripted.wait_state(SessionState.STARTING)
    # Then: the orphan is gone by then.
    assert not lives(orphan)
    scripted.wait_turn()


@pytest.mark.expected_errors("child_exited")
def test_where_the_conversation_was_lost_with_the_journal_another_one_is_begun(scripted: Stage) -> None:
    # Given a claude in the midst of a turn
    scripted.start(faults={"hang_in_turn": 1})
    scripted.deliver("the first")
    scripted.wait_state(SessionState.WORKING)
    first = scripted.pid
    # When the router, which has lost everything, names another conversation
    scripted.outstanding.clear()
    scripted.session_id = str(uuid4())
    scripted.tell(Adopt(session_id=scripted.session_id))
    # Then the old claude ends before another one begins
    again = scripted.deliver(message(say("the second")))
    scripted.wait_step(again, DeliveryState.ACCEPTED)
    assert not psutil.pid_exists(first)
    assert scripted.pid != first
