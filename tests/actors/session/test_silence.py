"""Tests of a silent claude: it may be idle or wait for the clock; otherwise it is considered hung and restarted."""

import os
import signal
import sys
from pathlib import Path

import psutil

from actors.protocol.deliveries import DeliveryState
from actors.protocol.feed import ToolUsed
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import SessionReady, SessionState, TurnEnded
from actors.session.crashes import HANGS
from actors.session.drive import MessageMoved, Retrying, StreamRead
from actors.session.timers import SilenceDue
from tests.actors.session.stage import Stage, wait_for
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

DEAF = "import sys\nfor line in sys.stdin: pass"
"""Takes every message and says nothing."""
LONG = 600.0
"""So long a claude that works may say nothing here, in seconds: longer than any test."""
HOUR = 3600.0


def wait_heard(stage: Stage) -> None:
    """Wait until the session has handled all earlier messages."""
    ready = len(stage.record.all(SessionReady))
    stage.tell(RouterStarted())
    stage.record.wait_for(SessionReady, nth=ready + 1)


def let_time_pass(stage: Stage) -> None:
    """Advance the clock until the silence is noticed; claude's last words may still be on their way."""

    def is_noticed() -> bool:
        if stage.of_state(SessionState.CRASHED):
            return True
        if stage.clock.pending(SilenceDue):
            stage.clock.advance(LONG)
        return False

    wait_for(is_noticed, "the end of it")


def test_one_that_gets_no_answer_is_ended_and_resumed(stage: Stage) -> None:
    if stage.api:
        stage.api.stall()
    stage.start(faults={"hang_in_turn": 1}, silence_seconds=LONG)
    delivery = stage.deliver(message(say("after all")))
    stage.wait_transcript(lambda line: line.get("uuid") == delivery)
    if stage.api:  # else the next claude's request would be the one without an answer
        stage.api.wait_for(lambda api: bool(api.turns()))
    let_time_pass(stage)
    assert "signal 9" in stage.wait_state(SessionState.CRASHED).detail
    stage.wait_completed(delivery)
    assert stage.wait_turn().text == "after all"
    assert stage.told("after all") == 1


def test_one_that_is_frozen_is_ended_and_resumed(stage: Stage) -> None:
    stage.start(silence_seconds=LONG)
    delivery = stage.deliver(message({"sleep": 0.3}, say("after all")))
    stage.wait_transcript(lambda line: line.get("uuid") == delivery)
    os.kill(stage.pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(stage.pid).status() == psutil.STATUS_STOPPED)
    wait_heard(stage)
    let_time_pass(stage)
    assert "signal 9" in stage.wait_state(SessionState.CRASHED).detail
    stage.wait_completed(delivery)
    assert stage.wait_turn().text == "after all"
    assert stage.told("after all") == 1


def test_a_tool_may_be_silent_for_as_long_as_it_runs(scripted: Stage, gate: Path) -> None:
    scripted.start(silence_seconds=LONG)
    scripted.deliver(message(wait_for_gate(gate), say("built")))
    scripted.wait_tool()
    scripted.wait_activity(lambda each: isinstance(each, ToolUsed))
    wait_for(lambda: len(scripted.marked()) > 1, "the tool")
    for _ in range(3):
        wait_for(lambda: scripted.clock.pending(SilenceDue), "the watch over its silence")
        scripted.clock.advance(LONG)
        wait_heard(scripted)
    gate.touch()
    assert scripted.wait_turn().text == "built"
    assert "crashed" not in scripted.changes


def test_one_that_hangs_again_and_again_is_for_a_person(scripted: Stage) -> None:
    scripted.start(command=(sys.executable, "-c", DEAF), silence_seconds=LONG, receipt_seconds=10 * HOUR)
    scripted.deliver(message(say("hello")))

    def is_blocked() -> bool:
        scripted.clock.advance(LONG)
        return bool(scripted.of_state(SessionState.BLOCKED))

    wait_for(is_blocked, "the block")
    assert scripted.changes.count("crashed") == HANGS
    detail = scripted.wait_state(SessionState.BLOCKED).detail
    assert (
        detail
        == f"claude was considered hung and killed with signal 9; it ended so {HANGS + 1} times in a row"
    )


def test_one_that_has_nothing_to_do_may_be_silent(scripted: Stage) -> None:
    scripted.start(silence_seconds=LONG)
    scripted.deliver(message(say("hello")))
    scripted.wait_turn()
    pid = scripted.pid
    wait_heard(scripted)
    scripted.clock.advance(HOUR)
    second = scripted.deliver(message({"sleep": 0.1}, say("still here")))
    scripted.wait_completed(second)
    assert scripted.pid == pid


def test_what_it_is_given_after_a_long_silence_it_has_time_to_answer(scripted: Stage, gate: Path) -> None:
    """The silence counts from the time at which output is owed, not from the last output long ago."""
    # Given: one that had nothing to say for just as long as it may be silent.
    scripted.start(silence_seconds=60.0)
    scripted.deliver(message(say("one")))
    scripted.wait_turn()
    scripted.clock.advance(3600.0)
    # When: it is given something, then it has all the time to answer.
    scripted.deliver(message(wait_for_gate(gate), say("two")))
    wait_for(lambda: scripted.clock.pending(SilenceDue), "the watch over its silence")
    assert 59.0 < scripted.clock.left(SilenceDue) <= 60.0
    gate.touch()
    assert scripted.wait_turn(2).text == "two"
    # And: while no output is owed, the silence isn't watched.
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    assert scripted.clock.pending(SilenceDue) == []


def test_one_that_waits_for_the_api_may_be_silent(scripted: Stage) -> None:
    # Given: one whose turn the API has failed, and that goes on in an hour.
    scripted.clock.draw = lambda low, _high: HOUR if low else 0.0
    scripted.start(faults={"result_error": {"status": 529}}, silence_seconds=LONG)
    delivery = scripted.deliver(message(say("at last")))
    scripted.wait_state(SessionState.RATE_LIMITED)
    last_word = MessageMoved(uuid=delivery, state=DeliveryState.COMPLETED, receipt="lifecycle:cancelled")
    scripted.news.wait_for(StreamRead, lambda read: last_word in read.facts)
    wait_heard(scripted)
    # When: much of it is over, the silence is still allowed.
    scripted.clock.advance(HOUR - LONG / 2)
    wait_heard(scripted)
    assert "crashed" not in scripted.changes
    # And: when all of it is, the turn goes on.
    scripted.clock.advance(LONG)
    turn = scripted.wait_turn()
    assert scripted.record.all(TurnEnded) == [turn]
    assert "crashed" not in scripted.changes


def test_one_that_asks_the_api_again_later_may_be_silent_until_then(scripted: Stage, gate: Path) -> None:
    # Given: one at work, that says nothing but that it goes on in an hour.
    scripted.start(silence_seconds=60.0)
    scripted.deliver(message(wait_for_gate(gate), say("at last")))
    scripted.wait_tool()
    wait_for(lambda: scripted.clock.pending(SilenceDue), "the watch over its silence")
    retrying = Retrying(status=429, attempt=1, seconds=3600.0, error="rate_limit")
    scripted.tell(StreamRead(epoch=scripted.drive.epoch, facts=(retrying,)))
    scripted.wait_state(SessionState.RATE_LIMITED)
    # When: its silence is looked after half an hour later, then that counts from when it goes on.
    scripted.clock.advance(1800.0)
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    assert 1800.0 < scripted.clock.left(SilenceDue) <= 1860.0
    gate.touch()
    assert scripted.wait_turn().text == "at last"
    assert "crashed" not in scripted.changes
