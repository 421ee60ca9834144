"""The work directory's actor, beside a recording router."""

import functools
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.lib.files import ensure_directory, write_all
from actors.protocol.backend import InputRejected
from actors.protocol.feed import FeedPage, FeedRequest, JournalRemoved
from actors.protocol.names import ROUTER, WORKDIR
from actors.protocol.reports import Completion, ReportBlocked, ReportCompletion
from actors.protocol.router import RouterStarted
from actors.workdir import WorkDir, write_atomically
from actors.workdir import history as history_module
from actors.workdir.actor import WorkdirActor
from actors.workdir.watch import ResultsChanged, ResultWatch, WatchFailed
from supervisors import ActorContext, System
from supervisors.drill import crash
from tests.actors.support import DEADLINE, Record, child, recorder, running
from tests.supervisors.helpers import until

LONG = 3600.0


def _line(number: int) -> bytes:
    return json.dumps({"number": number}).encode()


@contextmanager
def _watched(
    workdir: WorkDir,
    record: Record,
    react: Callable[[ActorContext, Any], object] | None = None,
    **options: Any,
) -> Iterator[System]:
    """Run a workdir actor beside a recording router."""
    start = functools.partial(WorkdirActor, workdir=workdir, **{"quiet_seconds": LONG, **options})
    with running(recorder(ROUTER, record, react), child(WORKDIR, start)) as system:
        yield system


def _completed(record: Record, nth: int = 1) -> ReportCompletion:
    return record.wait_for(ReportCompletion, nth=nth)


def test_a_result_is_reported(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record):
        write_atomically(workdir.result_file("A"), b'{"status": "success", "summary": "s"}')
        assert _completed(record) == ReportCompletion(
            agent=None, way="file", completion=Completion(summary="s"), subtask_id="A",
            written_at=workdir.result_file("A").stat().st_ctime,
        )  # fmt: skip
        workdir.result_file("B").write_bytes(b'{"status": "failed", "reason": "r"}')
        assert record.wait_for(ReportBlocked) == ReportBlocked(
            agent=None, way="file", reason="r", subtask_id="B",
            written_at=workdir.result_file("B").stat().st_ctime,
        )  # fmt: skip
        assert workdir.result_file("A").exists()
    assert record.all(InputRejected) == []


def test_a_result_in_an_agents_directory_is_that_agents_word(workdir: WorkDir) -> None:
    record, old, new = Record(), workdir.result_file("A", "old"), workdir.result_file("B", "new")
    ensure_directory(old.parent)
    old.write_bytes(b"{}")
    with _watched(workdir, record):
        assert (_completed(record).agent, _completed(record).subtask_id) == ("old", "A")
        # And a directory that comes later is watched, with what was written into it at once
        ensure_directory(new.parent)
        new.write_bytes(b"{}")
        assert (_completed(record, nth=2).agent, _completed(record, nth=2).subtask_id) == ("new", "B")
        workdir.result_file("C", "old").write_bytes(b'{"status": "perhaps"}')
        reason = record.wait_for(InputRejected).reason
        assert reason == "results/old/task_result_C.json: unknown status 'perhaps'"


def test_results_are_watched_again_after_their_directories_were_removed(workdir: WorkDir) -> None:
    record, path = Record(), workdir.result_file("A", "coder")
    ensure_directory(path.parent)
    with _watched(workdir, record):
        shutil.rmtree(workdir.results)
        for directory in (workdir.results, path.parent):
            ensure_directory(directory)
        path.write_bytes(b"{}")
        assert _completed(record).agent == "coder"
        workdir.result_file("B").write_bytes(b"{}")
        assert _completed(record, nth=2).agent is None


def test_what_lies_in_no_agents_directory_is_nobodys_word(workdir: WorkDir, tmp_path: Path) -> None:
    elsewhere, file = tmp_path / "elsewhere", "task_result_A.json"
    for directory in (
        elsewhere,
        workdir.results / ".hidden",
        workdir.result_file("A", "coder").parent / "below",
    ):
        directory.mkdir(parents=True)
        (directory / file).write_bytes(b"{}")
    (workdir.results / "linked").symlink_to(elsewhere)
    (workdir.results / file).write_bytes(b"{}")
    record = Record()
    with _watched(workdir, record):
        workdir.result_file("Z", "coder").write_bytes(b"{}")
        assert _completed(record).subtask_id == "Z"
    assert len(record.all(ReportCompletion)) == 1


def test_a_hard_link_to_a_secret_is_rejected_without_its_content(workdir: WorkDir) -> None:
    workdir.secret.write_bytes(b"a secret of ours")
    record = Record()
    with _watched(workdir, record, quiet_seconds=0.01):
        os.link(workdir.secret, workdir.result_file("A"))
        rejected = record.wait_for(InputRejected)
    assert "hard link" in rejected.reason
    assert b"secret" not in rejected.raw


def test_a_file_that_is_renamed_by_links_is_taken(workdir: WorkDir) -> None:
    record, beside = Record(), workdir.path / "beside"
    beside.write_bytes(b"{}")
    with _watched(workdir, record, quiet_seconds=0.2) as system:
        os.link(beside, workdir.result_file("A"))
        system.handle(WORKDIR).ask(ResultsChanged(frozenset({workdir.result_file("A")})), timeout=DEADLINE)
        beside.unlink()
        _completed(record)
    assert record.all(InputRejected) == []


def test_results_that_are_there_at_the_start(workdir: WorkDir) -> None:
    workdir.result_file("A").write_bytes(b"{}")
    (workdir.path / "task_result_notes.txt").write_bytes(b"{}")
    (workdir.path / "other.json").write_bytes(b"{}")
    record = Record()
    with _watched(workdir, record):
        assert _completed(record).subtask_id == "A"
    assert len(record.all(ReportCompletion)) == 1


def test_the_same_content_is_reported_once_and_another_again(workdir: WorkDir) -> None:
    record, path = Record(), workdir.result_file("A")
    with _watched(workdir, record):
        path.write_bytes(b'{"summary": "first"}')
        _completed(record)
        path.chmod(0o640)  # a change that is none
        workdir.result_file("B").write_bytes(b"{}")
        assert _completed(record, nth=2).subtask_id == "B"
        path.write_bytes(b'{"summary": "second"}')
        assert _completed(record, nth=3).completion.summary == "second"


def test_a_result_that_was_removed_and_written_again(workdir: WorkDir) -> None:
    record, path = Record(), workdir.result_file("A")
    with _watched(workdir, record):
        for nth in (1, 2):
            path.write_bytes(b"{}")
            _completed(record, nth)
            path.unlink()


def test_an_agent_that_writes_in_two_halves(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record, quiet_seconds=LONG), workdir.result_file("A").open("wb") as file:
        file.write(b'{"status": "succ')
        file.flush()
        workdir.result_file("B").write_bytes(b"{}")  # so that the first half has been seen
        assert _completed(record).subtask_id == "B"
        file.write(b'ess", "summary": "whole"}')
        file.flush()
        assert _completed(record, nth=2).completion.summary == "whole"
    assert record.all(InputRejected) == []


def test_a_result_that_stays_unfinished_is_rejected_and_kept(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record, quiet_seconds=0.01):
        workdir.result_file("A").write_bytes(b'{"status": "succ')
        rejected = record.wait_for(InputRejected)
        assert rejected.origin == "file"
        assert rejected.reason.startswith("task_result_A.json: not JSON: ")
        assert (rejected.raw, rejected.size) == (b'{"status": "succ', 16)
        assert workdir.result_file("A").exists()
        # And it is read when it is finished after all
        workdir.result_file("A").write_bytes(b'{"status": "success"}')
        _completed(record)
    assert len(record.all(InputRejected)) == 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "task_result_A.json is no ordinary file"),
        (lambda path: path.symlink_to("/etc/passwd"), "task_result_A.json is a symlink"),
        (lambda path: path.write_bytes(b"[]"), "not a JSON object"),
        (lambda path: path.write_bytes(b"x" * 1_048_577), "longer than 1048576 bytes"),
        (lambda path: path.write_bytes(b'{"status": "perhaps"}'), "unknown status 'perhaps'"),
        (lambda path: path.mkdir(), "task_result_A.json is no ordinary file"),
    ],
)
def test_what_is_no_result_is_rejected_at_once(
    workdir: WorkDir, make: Callable[[Path], object], reason: str
) -> None:
    record = Record()
    with _watched(workdir, record):
        make(workdir.result_file("A"))
        rejected = record.wait_for(
            InputRejected, lambda rejected: rejected.reason == f"task_result_A.json: {reason}"
        )
        assert len(rejected.raw) <= 4096
        workdir.result_file("B").write_bytes(b"{}")
        assert _completed(record).subtask_id == "B"


def test_a_result_under_a_wrong_name_is_rejected_once_and_says_what_it_must_be(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record, quiet_seconds=0.01):
        (workdir.path / "task_result_A.txt").write_bytes(b"{}")
        (workdir.path / "task_result_B.json.tmp.17").write_bytes(b"{}")
        rejected = record.wait_for(InputRejected)
        assert rejected.origin == "file"
        assert rejected.reason.startswith(
            "task_result_A.txt: its name must be task_result_<id>.json, with the id of the subtask"
        )
        assert rejected.size == 2
        (workdir.path / "task_result_A.txt").chmod(0o640)  # a change that is none
        workdir.result_file("C").write_bytes(b"{}")
        assert _completed(record).subtask_id == "C"
    assert record.all(InputRejected) == [rejected]


def test_a_result_that_is_moved_to_its_name_is_not_rejected(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record, quiet_seconds=0.2) as system:
        odd = workdir.path / "task_result_A.draft"
        odd.write_bytes(b'{"summary": "s"}')
        system.handle(WORKDIR).ask(ResultsChanged(frozenset({odd})), timeout=DEADLINE)  # it is seen
        odd.rename(workdir.result_file("A"))
        _completed(record)
        (workdir.path / "task_result_B.txt").write_bytes(b"{}")
        record.wait_for(InputRejected)  # by now it had its time, too
    assert len(record.all(InputRejected)) == 1


def test_a_result_with_fields_of_wrong_types_is_used_and_reported(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record):
        write_atomically(workdir.result_file("A"), b'{"summary": {}}')
        assert _completed(record).completion == Completion()
        assert record.wait_for(InputRejected).reason == "task_result_A.json: summary: an object is no text"


def test_mirrors_are_written_and_the_router_knows_where_the_history_ends(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record) as system:
        assert record.wait_for(FeedRequest).events == 0
        for number in range(1, 501):
            system.handle(WORKDIR).tell(FeedPage(events=(_line(number),), queues={"coder": [{"n": number}]}))
        system.handle(WORKDIR).ask(FeedPage(), timeout=DEADLINE)  # an answer comes after the writing
    assert [json.loads(line)["number"] for line in workdir.history.read_text().splitlines()] == list(
        range(1, 501)
    )
    assert json.loads(workdir.queue_file("coder").read_text()) == [{"n": 500}]
    again = Record()
    with _watched(workdir, again):
        assert again.wait_for(FeedRequest).events == 500


def test_more_is_asked_for_when_what_came_is_written_and_not_before(
    workdir: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, space, writing = Record(), threading.Event(), threading.Event()

    def _write_slowly(fd: int, data: bytes) -> None:
        writing.set()
        assert space.wait(DEADLINE)
        write_all(fd, data)

    monkeypatch.setattr(history_module, "write_all", _write_slowly)
    with _watched(workdir, record) as system:
        record.wait_for(FeedRequest)
        system.handle(WORKDIR).tell(FeedPage(events=(_line(1), _line(2))))
        assert writing.wait(DEADLINE)
        assert len(record.all(FeedRequest)) == 1
        space.set()
        assert record.wait_for(FeedRequest, nth=2).events == 2


def test_while_the_disk_is_full_nothing_is_asked_for(
    workdir: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record()

    def _fill(_fd: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history_module, "write_all", _fill)
    with _watched(workdir, record, retry_seconds=LONG) as system:
        record.wait_for(FeedRequest)
        for message in (FeedPage(events=(_line(1),)), RouterStarted(), FeedPage(events=(_line(2),))):
            system.handle(WORKDIR).ask(message, timeout=DEADLINE)
        assert len(record.all(FeedRequest)) == 1


def test_a_state_that_cannot_be_written_keeps_no_history_back(
    workdir: WorkDir, caplog: pytest.LogCaptureFixture
) -> None:
    record, queue = Record(), workdir.queue_file("coder")
    queue.mkdir()
    with _watched(workdir, record, retry_seconds=LONG) as system:
        for number in range(1, 6):
            states: dict[str, Any] = {"queues": {"coder": [{"n": number}]}, "knowledge": [{"n": number}]}
            message = FeedPage(events=(_line(number),), **states)
            system.handle(WORKDIR).ask(message, timeout=DEADLINE)
            assert record.all(FeedRequest)[-1].events == number
            assert json.loads(workdir.knowledge.read_text()) == [{"n": number}]
    # And it is said once which
    (told,) = [each.getMessage() for each in caplog.records if "mirrors_not_written" in each.getMessage()]
    assert "files=['coder_queue.json']" in told
    assert "Is a directory" in told


def test_a_state_that_could_not_be_written_is_tried_again(workdir: WorkDir) -> None:
    queue = workdir.queue_file("coder")
    queue.mkdir()
    with _watched(workdir, Record(), retry_seconds=0.01) as system:
        system.handle(WORKDIR).ask(FeedPage(queues={"coder": [{"n": 1}]}), timeout=DEADLINE)
        queue.rmdir()
        until(queue.is_file)
    assert json.loads(queue.read_text()) == [{"n": 1}]


def test_mirrors_that_cannot_be_written_are_caught_up_with(
    workdir: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test that a full disk doesn't end the coordinator."""
    record = Record()
    full = iter([True, True])

    def _fill(fd: int, data: bytes) -> None:
        if next(full, False):
            write_all(fd, data[:-3])
            raise OSError(28, "No space left on device")
        write_all(fd, data)

    def _react(context: ActorContext, message: object) -> None:
        if isinstance(message, FeedRequest):
            lines = tuple(_line(number) for number in range(message.events + 1, 4))
            context.system.handle(WORKDIR).tell(FeedPage(events=lines, knowledge=[{"topic": "t"}]))

    monkeypatch.setattr(history_module, "write_all", _fill)
    with _watched(workdir, record, _react, retry_seconds=0.01) as system:
        assert record.wait_for(FeedRequest, nth=3).events == 2  # the third line was torn, twice
        system.handle(ROUTER).ask("has it sent what is missing?", timeout=DEADLINE)
        system.handle(WORKDIR).ask(FeedPage(events=(_line(4),)), timeout=DEADLINE)
    assert [json.loads(line)["number"] for line in workdir.history.read_text().splitlines()] == [1, 2, 3, 4]
    assert json.loads(workdir.knowledge.read_text()) == [{"topic": "t"}]


@pytest.mark.expected_errors("child_exited")
def test_after_a_crash_it_watches_again_and_says_where_the_history_ends(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record) as system:
        system.handle(WORKDIR).tell(FeedPage(events=(_line(1),)))
        workdir.result_file("A").write_bytes(b"{}")
        _completed(record)
        crash(system, WORKDIR, RuntimeError("drill"))
        assert record.wait_for(FeedRequest, nth=3).events == 1
        workdir.result_file("B").write_bytes(b"{}")
        record.wait_for(ReportCompletion, lambda report: report.subtask_id == "B")


@pytest.mark.expected_errors("child_exited")
def test_a_watch_that_has_ended_by_a_fault_is_replaced(workdir: WorkDir) -> None:
    record = Record()
    with _watched(workdir, record) as system:
        system.handle(WORKDIR).tell(WatchFailed(1, RuntimeError("drill")))
        record.wait_for(FeedRequest, nth=2)
        workdir.result_file("A").write_bytes(b"{}")
        _completed(record)


def test_a_fault_while_watching_is_told(workdir: WorkDir) -> None:
    record, fault = Record(), RuntimeError("drill")

    def _on_change(change: object) -> None:
        record.add(change)
        if isinstance(change, ResultsChanged):
            raise fault

    watch = ResultWatch(workdir, 1, _on_change)
    workdir.result_file("A").touch()
    assert record.wait_for(WatchFailed) == WatchFailed(1, fault)
    assert watch.close()


def test_a_directory_that_cannot_be_watched_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r".+"):
        ResultWatch(WorkDir(tmp_path / "nowhere"), 1, print)


def test_a_journal_that_is_taken_away_is_noticed(workdir: WorkDir) -> None:
    workdir.journal.write_bytes(b"the truth")
    record = Record()
    with _watched(workdir, record):
        record.wait_for(FeedRequest)
        workdir.journal.unlink()
        record.wait_for(JournalRemoved)
