"""Tests of output that something has written into: events are found in it, or it is said that it can't be read."""

from pathlib import Path

from actors.protocol.sessions import SessionState, Unblock
from tests.actors.session.stage import Stage, wait_for
from tests.contract.messages import message, say


def wrap(stage: Stage, path: Path, filter_: str) -> tuple[str, ...]:
    """Return a command that runs the stage's claude, its output passed through a filter."""
    program = " ".join(f"'{word}'" for word in stage.options["command"])
    path.write_text(f'#!/bin/bash\n{program} "$@" | {filter_}\n')
    path.chmod(0o755)
    return (str(path),)


def test_noise_before_each_line_hides_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.start(command=wrap(stage, tmp_path / "claude", "sed -u 's/^/[proxy] /'"))
    stage.wait_completed(stage.deliver(message(say("at last"))))
    assert stage.wait_turn().text == "at last"
    assert stage.told("at last") == 1


def test_where_no_event_can_be_read_the_agent_is_blocked_and_it_is_said(
    scripted: Stage, tmp_path: Path
) -> None:
    command = scripted.options["command"]
    broken = wrap(scripted, tmp_path / "claude", "sed -u 's/.*/a greeting/'")
    scripted.start(command=broken, receipt_seconds=1.0, max_attempts=1_000_000)
    delivery = scripted.deliver(message(say("at last")))

    def is_blocked() -> bool:
        scripted.clock.advance(1.0)
        return bool(scripted.of_state(SessionState.BLOCKED))

    wait_for(is_blocked, "the block")
    assert scripted.wait_state(SessionState.BLOCKED).detail == "its output can't be read: a greeting"
    assert delivery in scripted.outstanding
    assert scripted.marked() == []
    # When: the wrapper is mended, and a person says so.
    (tmp_path / "claude").write_text("#!/bin/bash\nexec " + " ".join(command) + ' "$@"\n')
    scripted.tell(Unblock())
    scripted.wait_completed(delivery)
    assert scripted.told("at last") == 1
