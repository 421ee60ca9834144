"""Tests of work that outlasts its turn: the session isn't idle before it has ended, and the model was told."""

from pathlib import Path

from actors.protocol.router import RouterStarted
from actors.protocol.sessions import SessionReady, SessionState, TurnEnded
from tests.actors.session.stage import Stage, wait_for
from tests.contract.messages import message, say


def builds(gate: Path, *wake: str) -> str:
    """Return a message: a build is started in the background, and what is said once it has ended."""
    command = f"until [ -e {gate} ]; do sleep 0.05; done"
    steps = ", ".join(f'{{"say": "{text}"}}' for text in wake)
    return message({"background": command}, say("Started.")) + f"\n> @wake [{steps}]"


def test_the_end_of_a_turn_is_not_the_end_of_the_work(stage: Stage, gate: Path) -> None:
    stage.start()
    delivery = stage.deliver(builds(gate, "BUILD-OK"))
    stage.wait_completed(delivery)
    # It says what still runs, and since when, and isn't idle
    detail = stage.record.wait_until(
        lambda: [each.detail for each in stage.of_state(SessionState.WORKING) if each.detail]
    )[0]
    assert detail.startswith("runs in the background since ")
    assert "until [ -e " in detail
    stage.tell(RouterStarted())
    assert not stage.record.wait_for(SessionReady, nth=2).idle
    assert stage.record.all(TurnEnded) == []
    # When the build ends, claude begins a turn by itself; its last words are the turn's
    gate.touch()
    assert stage.wait_turn().text == "BUILD-OK"
    assert stage.changes[-1] == "ready"
    assert len(stage.record.all(TurnEnded)) == 1


def test_words_that_come_meanwhile_are_read_at_once(stage: Stage, gate: Path) -> None:
    stage.start()
    stage.wait_completed(stage.deliver(builds(gate, "BUILD-OK")))
    stage.wait_completed(stage.deliver(message(say("by the way"))))
    assert stage.told('"by the way"') == 1
    assert stage.record.all(TurnEnded) == []
    gate.touch()
    stage.wait_turn()


def test_work_that_a_crash_has_ended_is_told_to_the_model(stage: Stage, gate: Path) -> None:
    stage.start()
    stage.wait_completed(stage.deliver(builds(gate, "BUILD-OK")))
    wait_for(lambda: len(stage.marked()) > 1, "the build")
    stage.crash()
    # It goes on by a message of ours, since nothing else would wake it
    stage.wait_turn()
    assert stage.told("what ran in the background has ended") == 1
    assert len(stage.marked()) == 1


def test_an_end_that_begins_no_turn_is_not_waited_for_for_ever(scripted: Stage, gate: Path) -> None:
    scripted.start(faults={"sleeps_through": True})
    scripted.wait_completed(scripted.deliver(builds(gate)))
    assert scripted.record.all(TurnEnded) == []
    gate.touch()
    wait_for(scripted.clock.pending, "the wait for a turn")
    scripted.clock.advance(10.0)
    assert scripted.wait_turn().text == "Started."
