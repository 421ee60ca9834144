"""A claude that says nothing: it may be idle, or wait for the clock; otherwise it hangs, is ended and resumed."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from actors.protocol.router import RouterStarted
from actors.protocol.sessions import SessionReady, SessionState, TurnEnded
from actors.session.drives.stream.parse import Retrying
from actors.session.news import SilenceDue, StreamRead
from tests.actors.session.stage import Stage, wait_for
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate

SOON = 2.0
"""So long a claude that works may say nothing here, in seconds: longer than the real one takes to begin."""


def test_one_that_gets_no_answer_is_ended_and_resumed(stage: Stage) -> None:
    if stage.api:
        stage.api.stall()
    stage.start(faults={"hang_in_turn": 1}, silence_seconds=SOON)
    delivery = stage.deliver(message(say("after all")))
    assert "signal 9" in stage.wait_state(SessionState.CRASHED).detail
    stage.wait_completed(delivery)
    assert stage.wait_turn().text == "after all"
    assert stage.told("after all") == 1


def test_one_that_is_frozen_is_ended_and_resumed(stage: Stage) -> None:
    stage.start(silence_seconds=SOON)
    delivery = stage.deliver(message({"sleep": 0.3}, say("after all")))
    stage.wait_transcript(lambda line: line.get("uuid") == delivery)
    os.kill(stage.pid, signal.SIGSTOP)
    assert "signal 9" in stage.wait_state(SessionState.CRASHED).detail
    stage.wait_completed(delivery)
    assert stage.wait_turn().text == "after all"
    assert stage.told("after all") == 1


def test_one_that_has_nothing_to_do_may_be_silent(scripted: Stage) -> None:
    scripted.start(silence_seconds=0.2)
    scripted.deliver(message(say("hello")))
    scripted.wait_turn()
    pid = scripted.pid
    second = scripted.deliver(message({"sleep": 0.1}, say("still here")))
    scripted.wait_completed(second)
    assert scripted.pid == pid


def test_what_it_is_given_after_a_long_silence_it_has_time_to_answer(scripted: Stage, gate: Path) -> None:
    """The silence counts from when something is to be said, not from the last word long ago."""
    # Given: one that had nothing to say for just as long as it may be silent.
    scripted.start(silence_seconds=60.0)
    scripted.deliver(message(say("one")))
    scripted.wait_turn()
    claude = scripted.actor._claude
    assert claude._process is not None
    claude._process.heard_at -= 3600.0
    # When: it is given something, then it has all the time to answer.
    scripted.deliver(message(wait_for_gate(gate), say("two")))
    wait_for(lambda: SilenceDue in scripted.actor._timers, "the watch over its silence")
    assert 59.0 < scripted.actor._timers[SilenceDue].due - time.monotonic() <= 60.0
    gate.touch()
    assert scripted.wait_turn(2).text == "two"
    # And: when nothing is to be said, nobody looks after it.
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    assert SilenceDue not in scripted.actor._timers


def test_one_that_waits_for_the_api_may_be_silent(scripted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, _high: SOON)
    scripted.start(faults={"result_error": {"status": 529}}, silence_seconds=SOON / 2)
    scripted.deliver(message(say("at last")))
    turn = scripted.wait_turn()
    assert scripted.record.all(TurnEnded) == [turn]
    assert "crashed" not in scripted.changes


def test_one_that_asks_the_api_again_later_may_be_silent_until_then(scripted: Stage, gate: Path) -> None:
    # Given: one at work, that says nothing but that it goes on in an hour.
    scripted.start(silence_seconds=60.0)
    scripted.deliver(message(wait_for_gate(gate), say("at last")))
    scripted.wait_tool()
    wait_for(lambda: SilenceDue in scripted.actor._timers, "the watch over its silence")
    claude = scripted.actor._claude
    retrying = Retrying(status=429, attempt=1, seconds=3600.0, error="rate_limit")
    scripted.tell(StreamRead(epoch=claude.epoch, facts=(retrying,)))
    scripted.wait_state(SessionState.RATE_LIMITED)
    assert claude._process is not None
    claude._process.heard_at -= 1800.0
    # When: somebody looks after its silence, then that counts from when it goes on.
    scripted.tell(SilenceDue(epoch=claude.epoch))
    scripted.tell(RouterStarted())
    scripted.record.wait_for(SessionReady, nth=2)
    assert 3600.0 < scripted.actor._timers[SilenceDue].due - time.monotonic() <= 3660.0
    gate.touch()
    assert scripted.wait_turn().text == "at last"
    assert "crashed" not in scripted.changes
