"""Tests with a kill at every point where something could be half done; nothing is lost or doubled.

There is one test for each place. It kills the coordinator at each point of the place, at an early and at a later visit,
with new work before each kill. At the later visits, the other threads continue for a moment, so that messages sent too
early take effect. Then the coordinator runs undisturbed until all work is done. At the end, agents' transcripts, the
journal, the backend and the files for people are compared.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from actors.feed import FeedReader
from actors.journal.conditions import DELIVERY_OPEN
from actors.lib import failpoints
from actors.lib.errors import ConfigurationError
from actors.lib.failpoints import FAILPOINTS, VARIABLE, Failpoint, arm
from tests.backend.conftest import TOKEN, Running
from tests.claude import ROOT
from tests.e2e.program import closed_environment
from tests.e2e.test_scripted_chain import arrivals
from tests.forked import Forked

pytestmark = pytest.mark.timeout(240)

DEADLINE = 30.0
LONG = "A long story, told again.\n" * 3000
"""A length above the limits of a context and of a pipe."""
VISITS = {
    "router.commit.before": ("1", "2:0.2", "20:0.5", "28:0.5"),
    "router.commit.after": ("1", "2", "5", "8:0.2"),
    "session.context": ("1", "2:0.2"),
    "router.salvage": ("1",),
    "router.schema": ("1",),
    "session.write.partly": ("1", "1:0.2"),
    "workdir.history": ("1", "2:0.2"),
    "workdir.result": ("1", "2:0.2"),
}
USUALLY = ("1", "3:0.2")
"""The visits at which a point is tried, and the seconds for which other threads continue."""
WHOLE = {"session.write": {"MAX_CONTEXT_BYTES": "1000000"}}
"""Further settings for a place; here, the long context isn't put into a file."""
SALVAGE = "router.salvage"
MIGRATION = "journal.migrated"
"""No new journal is migrated: see tests/actors/journal/test_migrations.py."""


def lives() -> dict[str, list[str]]:
    """Return for each place the settings that kill there, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in get_args(Failpoint):
        place = name.rpartition(".")[0]
        found[place] += [f"{name}:{visit}" for visit in VISITS.get(name, VISITS.get(place, USUALLY))]
    return found


class Stage:
    """A backend that keeps running, and a coordinator that is killed.

    Args:
        directory: The directory for all files.
        more: Settings of the coordinator.
    """

    def __init__(self, directory: Path, more: dict[str, str]) -> None:
        self.home, self.work = directory / "home", directory / "work"
        self.database = directory / "running.db"
        self.backend = Running(directory)
        url = self.backend.url.replace("http", "ws", 1) + "/ws"
        self._environment = closed_environment(directory) | {"WS_URL": url, "WS_TOKEN": TOKEN} | more
        self._log = directory / "coordinator.log"
        self.subtasks: list[str] = []
        self.notes: list[str] = []

    def create(self) -> None:
        """Create one workflow (a long context, two subtasks for one agent, a fan-in, a result file) and one message."""
        number = len(self.notes)
        by_file = f"by-file-{number}"
        task = self.backend.create(
            subtasks=[
                {"key": "A", "title": "A", "agent": "architect-agent", "details": LONG},
                {"key": "B", "title": "B", "agent": "coding-agent", "depends_on": ["A"]},
                {"id": by_file, "key": "C", "title": "C", "agent": "coding-agent", "depends_on": ["A"],
                 "details": self._writes_result(by_file)},
                {"key": "D", "title": "D", "agent": "test-agent", "depends_on": ["B", "C"]},
            ]
        )  # fmt: skip
        self.subtasks += [each["id"] for each in task["subtasks"]]
        self.notes.append(f"Note {number}.")
        body = {"message": self.notes[-1]}
        assert self.backend.http.post("/api/agents/architect-agent/messages", json=body).is_success

    def _writes_result(self, subtask_id: str) -> str:
        content = json.dumps({"status": "success", "completion_summary": "See the file."})
        path = self.work / "results" / "coding-agent" / f"task_result_{subtask_id}.json"
        return "@play " + json.dumps([{"write": {"file_path": str(path), "content": content}}])

    def die_at(self, setting: str) -> None:
        """Run a coordinator that is killed at this point."""
        with self._started({failpoints.VARIABLE: setting}) as process:
            try:
                code = process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                code = None
        assert code == -signal.SIGKILL, f"never came to {setting} ({code}):\n{self._log.read_text()[-3000:]}"

    def settle(self) -> None:
        """Run a coordinator until all work is done, and stop it in order."""
        with self._started({}) as process:
            deadline = time.monotonic() + DEADLINE
            while left := self._left(process.pid):
                assert time.monotonic() < deadline, f"{left}\n{self._log.read_text()[-3000:]}"
                time.sleep(0.05)  # another process' database has no event to wait for
            process.terminate()
            assert process.wait(DEADLINE) == 0

    @contextmanager
    def _started(self, more: dict[str, str]) -> Iterator[Forked]:
        with self._log.open("ab") as log:
            process = Forked(
                "actors.main", (), self._environment | more, stdout=log.fileno(), stderr=log.fileno()
            )
        with closing(process):
            yield process

    def _left(self, pid: int) -> list[Any]:
        """Return the work that is not done."""
        if f"The coordinator runs (pid {pid}," not in self._log.read_text():
            return ["it hasn't started yet"]
        try:
            with journal(self) as rows:
                return [
                    *rows(f"SELECT id, state FROM deliveries WHERE {DELIVERY_OPEN}"),  # noqa: S608
                    *rows("SELECT id, status FROM nodes WHERE status != 'completed'"),
                    *rows("SELECT key, state FROM publications WHERE state = 'waiting'"),
                    *rows("SELECT agent, state FROM agents WHERE state != 'ready'"),
                    *(set(self.subtasks) - {each for (each,) in rows("SELECT id FROM nodes")}),
                    *rows("SELECT number, kind FROM events")[len(self.history()) :],
                    *(event for event in rows("SELECT number, kind FROM events") if event[0] > self._fed()),
                ]
        except (sqlite3.OperationalError, FileNotFoundError) as error:
            return [error]  # it isn't there yet

    def _fed(self) -> int:
        """Return the number of the last event in the feed; 0 if there is none yet."""
        with closing(sqlite3.connect(f"file:{self.work / 'feed.db'}?mode=ro", uri=True)) as database:
            (number,) = database.execute("SELECT max(number) FROM places WHERE name = 'events'").fetchone()
            return int(number or 0)

    def history(self) -> list[tuple[int, str]]:
        """Return the number and kind of each event in the file for people."""
        text = (self.work / "event_history.json").read_text()
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(line["number"], line["event_type"]) for line in lines]


Rows = Callable[[str], list[tuple[Any, ...]]]


@contextmanager
def journal(stage: Stage) -> Iterator[Rows]:
    """Return a function that queries the journal."""
    with closing(sqlite3.connect(f"file:{stage.work / 'journal.db'}?mode=ro", uri=True)) as database:
        yield lambda statement: database.execute(statement).fetchall()


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Return the stage, with the settings of the test's place."""
    found = Stage(tmp_path, WHOLE.get(getattr(request, "param", ""), {}))
    yield found
    found.backend.stop()


# ------------------------------------------------------------ what must be true in the end


def assert_received_once(stage: Stage) -> None:
    """Check that every delivery is finished and is in the transcripts once, and nothing else is."""
    with journal(stage) as rows:
        states = dict(rows("SELECT id, state FROM deliveries"))
        assigned = Counter(
            subtask
            for (subtask,) in rows(
                "SELECT subtask_id FROM deliveries WHERE kind IN ('task_ready', 'dependency_completed')"
            )
        )
        messages = [text for (text,) in rows("SELECT text FROM deliveries WHERE kind = 'message'")]
    assert set(states.values()) == {"completed"}
    assert arrivals(stage.home) == Counter(dict.fromkeys(states, 1))
    assert assigned == Counter(dict.fromkeys(stage.subtasks, 1))
    assert sorted(text.rpartition("> ")[2].strip() for text in messages) == sorted(stage.notes)


def assert_completed_once(stage: Stage) -> None:
    """Check that every completion was published and delivered once."""
    with journal(stage) as rows:
        here = rows("SELECT subject FROM events WHERE kind = 'subtask.completed'")
        publications = rows("SELECT key, event_type, state FROM publications")
        assert rows("SELECT reason FROM rejected") == []
        assert rows("PRAGMA integrity_check") == [("ok",)]
    with closing(sqlite3.connect(stage.database)) as database:
        told = [json.loads(text) for (text,) in database.execute("SELECT text FROM events")]
    there = Counter(each["payload"]["id"] for each in told if each["event_type"] == "subtask.completed")
    once = Counter(dict.fromkeys(stage.subtasks, 1))
    assert Counter(subject for (subject,) in here) == once
    assert there == once
    assert sum(each["event_type"] == "task.completed" for each in told) == len(stage.notes)
    assert {state for *_, state in publications} == {"published"}
    kinds = Counter(kind for _, kind, _ in publications)
    assert kinds["subtask.completed"] == len(stage.subtasks)
    assert kinds.total() - len(stage.subtasks) == kinds["subtask.updated"] <= len(stage.subtasks)
    completions = {key for key, kind, _ in publications if kind == "subtask.completed"}
    assert completions <= {each["id"] for each in told}


def assert_files_agree(stage: Stage) -> None:
    """Check that the files for people match the journal, and that long contexts can be read in full."""
    with journal(stage) as rows:
        events = rows("SELECT number, kind FROM events ORDER BY number")
        long = rows("SELECT id FROM deliveries WHERE document != ''")
    shown = stage.history()
    assert shown == events[: len(shown)]
    assert {kind for _, kind in events[len(shown) :]} <= {
        "session.stopped"
    }  # of the last stop; shown at the next start
    assert_fed_once(stage, events)
    for queue in stage.work.glob("*_queue.json"):
        assert json.loads(queue.read_text()) == []
    assert list(stage.work.glob("current_task_*.json")) == []
    told = [path.read_text() for path in stage.home.rglob("projects/*/*.jsonl")]
    for (delivery_id,) in long:
        path = stage.work / "context" / f"{delivery_id}.md"
        assert any(str(path) in text for text in told), "the agent is told where it lies"
        assert path.read_text().count("> A long story, told again.") == LONG.count("\n")


def assert_fed_once(stage: Stage, events: list[tuple[int, str]]) -> None:
    """Check that the feed has each event once and in order, possibly without the last ones."""
    fed: list[tuple[int, str]] = []
    with closing(FeedReader(stage.work / "feed.db")) as reader:
        place, is_end = 0, False
        while not is_end:
            facts, place, is_end = reader.after(place, kinds=["event"])
            documents = [json.loads(fact.document) for fact in facts]
            fed += [(each["number"], each["event_type"]) for each in documents]
    assert fed == events[: len(fed)]
    assert {kind for _, kind in events[len(fed) :]} <= {
        "session.stopped",
        "backend.closed",
    }  # of the last stop


def assert_all_is_well(stage: Stage) -> None:
    """Check all of these."""
    assert_received_once(stage)
    assert_completed_once(stage)
    assert_files_agree(stage)


# ------------------------------------------------------------ the lives


@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        pytest.param(place, settings, id=place)
        for place, settings in lives().items()
        if place not in (SALVAGE, MIGRATION)
    ],
    indirect=["stage"],
)
def test_kill_9_at_a_point_loses_and_doubles_nothing(stage: Stage, settings: list[str]) -> None:
    # Given a coordinator that dies there, with new work each time
    for setting in settings:
        stage.create()
        stage.die_at(setting)
    # When it runs undisturbed
    stage.settle()
    # Then
    assert_all_is_well(stage)


def test_kill_9_while_a_damaged_journal_is_salvaged_loses_nothing_more(stage: Stage) -> None:
    # Given a journal that is damaged where it holds nothing, and whose newest changes aren't in its main file yet
    stage.create()
    stage.settle()
    stage.create()
    stage.die_at("router.commit.after:5")
    path = stage.work / "journal.db"
    with journal(stage) as rows:
        ((page, size),) = rows(
            "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = 'knowledge'"
        )
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert path.with_name("journal.db-wal").stat().st_size > 0
    # When whoever salvages it dies, again and again
    for setting in lives()[SALVAGE]:
        stage.die_at(setting)
    stage.settle()
    # Then all is as if nothing had been
    assert_all_is_well(stage)
    assert [kind for _, kind in stage.history()].count("journal.damaged") == 1


# ------------------------------------------------------------ the points themselves


@pytest.mark.parametrize(
    "setting",
    ["", ":1", "router.comit.after"]
    + [f"router.commit.after:{each}" for each in ("x", "0", "1:", "1:x", "1:2:3")],
)
def test_a_setting_that_names_no_point_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=VARIABLE):
        arm(setting)


def test_without_a_setting_a_point_does_nothing() -> None:
    assert VARIABLE not in os.environ
    for name in get_args(Failpoint):
        failpoints.failpoint(name)


def test_every_point_is_somewhere_and_only_once() -> None:
    code = [path for path in (ROOT / "actors").glob("**/*.py") if path.name != "failpoints.py"]
    named = Counter(
        name for path in code for name in re.findall(r'"(\w+\.\w+\.\w+)"', path.read_text("utf-8"))
    )
    assert {name: named[name] for name in FAILPOINTS} == dict.fromkeys(FAILPOINTS, 1)
