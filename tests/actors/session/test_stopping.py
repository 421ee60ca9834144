"""Tests of an orderly stop, which leaves nothing behind in any state of the session."""

from pathlib import Path

import pytest

from actors.protocol.sessions import SessionState
from actors.session.drive import SessionTakenError
from actors.session.drives.stream import drive
from actors.session.drives.stream.lock import SessionLock
from tests.actors.session.stage import Stage, lives, wait_for
from tests.contract.messages import message, say
from tests.contract.messages import wait_for as wait_for_gate


@pytest.mark.parametrize("at_work", [False, True])
def test_a_stop_leaves_nothing(stage: Stage, gate: Path, *, at_work: bool) -> None:
    stage.start()
    stage.deliver(message(wait_for_gate(gate)) if at_work else message(say("idle")))
    if at_work:
        stage.wait_tool()
        wait_for(lambda: len(stage.marked()) > 1, "the tool")
    else:
        stage.wait_turn()
    left = stage.marked()
    stage.stop()
    assert stage.marked() == []
    # One that is dying has no environment any more, and so no mark, but may take a moment on a busy machine
    wait_for(lambda: not any(map(lives, left)), "the end of all of them")
    assert stage.wait_state(SessionState.STOPPED).pid is None


def test_a_stop_ends_one_that_ignores_sigterm(scripted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "STOP_SECONDS", 0.1)
    scripted.start(faults={"ignore_sigterm": True})
    scripted.deliver(message(say("idle")))
    scripted.wait_turn()
    scripted.stop()
    assert scripted.marked() == []
    scripted.wait_state(SessionState.STOPPED)


def test_a_stop_while_it_is_down_leaves_no_tool(scripted: Stage, gate: Path) -> None:
    scripted.clock.draw = lambda _low, _high: 3600.0
    scripted.start()
    scripted.deliver(message(wait_for_gate(gate)))
    scripted.wait_tool()
    wait_for(lambda: len(scripted.marked()) > 1, "the tool")
    scripted.crash()
    scripted.stop()
    assert scripted.marked() == []


def test_after_a_stop_another_process_may_use_the_conversation(scripted: Stage) -> None:
    scripted.start()
    scripted.deliver(message(say("idle")))
    scripted.wait_turn()
    path = scripted.files / f"{scripted.session_id}.lock"
    with pytest.raises(SessionTakenError):
        SessionLock(path)
    scripted.stop()
    SessionLock(path).release()
