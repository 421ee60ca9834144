"""Tests of the processes of a killed coordinator, which the next one in its work directory ends."""

import json
from pathlib import Path

import psutil
import pytest

from actors.lib.leftovers import _lives
from actors.lib.process_marks import MARK, work_dir_mark
from tests.e2e.program import closed_environment, errors_of, main, running
from tests.supervisors.helpers import until

pytestmark = pytest.mark.timeout(240)


def left_by(work: Path) -> list[psutil.Process]:
    """Return the living processes of this work directory's sessions."""
    mark = work_dir_mark(work).items()
    return [
        each
        for each in psutil.process_iter()
        if MARK in (found := _environment(each)) and mark <= found.items()
    ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if _lives(process) else {}
    except psutil.Error:
        return {}


def _told(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []  # a program that its tool has started, and that is over


def test_a_claude_that_the_journal_does_not_know_any_more_is_ended_before_anything_starts(
    tmp_path: Path, gate: Path
) -> None:
    environment = closed_environment(tmp_path)
    work, works = Path(environment["WORK_DIR"]), tmp_path / "works"
    tool = f"until touch {works} && [ -e {gate} ]; do sleep 0.1; done"
    # Given a coordinator that is killed while an agent works with a tool, and whose journal is lost then
    with running(environment):
        main(environment, "send", "architect-agent", f"@play {json.dumps([{'bash': tool}])}")
        until(works.exists, seconds=30)
    orphans = {each.pid: _told(each) for each in left_by(work)}
    (claude,) = [pid for pid, words in orphans.items() if "--session-id" in words]
    assert len(orphans) >= 2  # its tool is another one
    for path in work.glob("journal.db*"):
        path.unlink()
    # When another one starts, which starts no session by itself
    with running(environment | {"AUTO_START_SESSIONS": "false"}) as process:
        # Then nothing of them is left, and it has said so
        assert left_by(work) == []
        process.terminate()
        process.wait(timeout=30)
    (told,) = [line for line in errors_of(environment).read_text().splitlines() if "orphans_ended" in line]
    assert str(claude) in told


def test_what_an_agent_has_started_ends_with_the_coordinator_though_it_carries_no_mark_any_more(
    tmp_path: Path,
) -> None:
    environment = closed_environment(tmp_path)
    file = tmp_path / "pid"
    bare = "prlimit --rttime=unlimited:unlimited --pid $$"
    escape = f"{bare}; echo $$ > {file}.new; mv {file}.new {file}; exec sleep 600"
    tool = f"until (env -i /usr/bin/setsid /bin/sh -c '{escape}' >/dev/null 2>&1 &); do sleep 1; done"
    # Given a process without marks or parents, whose agent is idle
    with running(environment) as process:
        main(environment, "send", "architect-agent", f"@play {json.dumps([{'bash': tool}])}")
        until(file.exists, seconds=30)
        escaped = psutil.Process(int(file.read_text()))
        until(lambda: escaped.ppid() == process.pid, seconds=30)
        assert _lives(escaped)
        # When the coordinator is stopped
        process.terminate()
        code = process.wait(timeout=30)
    # Then it is stopped in order, and that process has ended
    assert code == 0
    assert not _lives(escaped)
    assert "coordinator_stopped" in errors_of(environment).read_text()
