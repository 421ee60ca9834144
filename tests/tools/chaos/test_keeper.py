"""Tests of the keeper, which restarts a program as systemd would."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.chaos.keeper import DownError, Keeper
from tools.chaos.log import ActorRestart, is_ready

DEADLINE = 30.0
LIVES = "print('ready', flush=True); import signal; signal.pause()"
ONCE = "import os, sys; os.path.exists('been') and sys.exit({code}); open('been', 'w'); " + LIVES
"""A program that runs until it is ended the first time, and ends at once the second time."""
AT_FIRST = "import os, sys; not os.path.exists('been') and (open('been', 'w'), sys.exit({code})); " + LIVES
"""A program that ends at once the first time, and runs until it is ended the second time."""
Keep = Callable[[str], Keeper]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    keepers: list[Keeper] = []

    def _keep(program: str) -> Keeper:
        keeper = Keeper(
            [sys.executable, "-c", program], {"PATH": os.environ["PATH"]},
            directory=tmp_path, ready=lambda line: line.startswith(b"ready"), log=tmp_path / "log",
        )  # fmt: skip
        keepers.append(keeper)
        keeper.start()
        return keeper

    yield _keep
    for keeper in keepers:
        keeper.stop()


def test_it_is_started_again_after_a_signal_which_is_no_end_by_itself(keep: Keep) -> None:
    keeper = keep(LIVES)
    keeper.wait_until_ready(DEADLINE)
    assert keeper.kill(signal.SIGKILL)
    keeper.wait_until_ready(DEADLINE)
    assert len(keeper.started) == 2
    assert not keeper.exits


def test_what_it_logs_of_its_actors_is_noted(keep: Keep, tmp_path: Path) -> None:
    restarted = {"event": "child_restarted", "child": "router", "timestamp": "2026-01-01T00:00:00.500000Z"}
    lines = ["no JSON", "[]", json.dumps(restarted), json.dumps({**restarted, "event": "child_restarting"})]
    keeper = keep(f"import sys; print(*{lines!r}, sep=chr(10), file=sys.stderr, flush=True); {LIVES}")
    keeper.wait_until_ready(DEADLINE)
    keeper.stop()  # its log is read to the end by then
    assert keeper.restarts == [ActorRestart(1767225600.5, "router")]
    assert (tmp_path / "log").read_text().splitlines() == lines


def test_the_coordinator_says_in_its_log_that_it_is_ready() -> None:
    assert is_ready(b'{"event": "coordinator_ready", "pid": 1}\n')
    assert not is_ready(b'{"event": "coordinator_stopped"}\n')
    assert not is_ready(b"coordinator_ready\n")


def test_it_is_started_again_when_it_gives_up(keep: Keep) -> None:
    keeper = keep(AT_FIRST.format(code=70))
    keeper.wait_until_ready(DEADLINE)
    assert dict(keeper.exits) == {70: 1}


def test_it_stays_down_when_it_says_that_a_person_has_to_mend_something(keep: Keep) -> None:
    # Given one that refuses to start again once it was killed
    keeper = keep(ONCE.format(code=2))
    keeper.wait_until_ready(DEADLINE)
    assert keeper.kill(signal.SIGKILL)
    # Then it is not tried over and over until it succeeds
    with pytest.raises(DownError, match="exit code 2"):
        keeper.wait_until_ready(DEADLINE)
    assert dict(keeper.exits) == {2: 1}
    assert len(keeper.started) == 1


def test_that_counts_also_where_it_was_told_to_end_meanwhile(keep: Keep) -> None:
    refuses = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(2)); "
    keeper = keep(refuses + LIVES)
    keeper.wait_until_ready(DEADLINE)
    assert keeper.kill(signal.SIGTERM)
    with pytest.raises(DownError):
        keeper.wait_until_ready(DEADLINE)
    assert dict(keeper.exits) == {2: 1}
