"""The words of ``status`` beyond the journal's own."""

from pathlib import Path
from typing import Any

import pytest

from actors.cli.status import overview, why
from actors.journal.journal import Journal
from actors.journal.reader import JournalReader
from actors.workdir import Holder
from tests.actors.router.office import Office

READY = {"id": "B", "state": "ready", "assignees": ["coding-agent"], "waits_for": []}
TASK = READY | {"assignees": [], "entity": "task"}


def agent(state: str, in_hand: str | None = None) -> dict[str, Any]:
    return {"coding-agent": {"agent": "coding-agent", "state": state, "in_hand": in_hand}}


@pytest.mark.parametrize(
    ("node", "agents", "said"),
    [
        (READY, agent("blocked"), "waits for coding-agent, which is blocked"),
        (READY, agent("blocked", "A"), "waits for coding-agent, which is blocked"),
        (READY, agent("rate_limited"), "waits for coding-agent, which is rate limited"),
        (READY, agent("working", "A"), "waits for coding-agent, which has A in hand"),
        (READY, agent("ready"), "is on its way to coding-agent"),
        (READY, agent("working", "B"), "is on its way to coding-agent"),
        (READY, {}, "waits for coding-agent, which has not been started"),
        (READY | {"assignees": []}, {}, "nobody is assigned"),
        (TASK, {}, "has no subtasks, and nobody is assigned"),
        (TASK | {"parts": {"all": 3, "open": 2}}, {}, "waits for 2 of its 3 subtasks"),
        (
            TASK | {"parts": {"all": 3, "open": 0}},
            {},
            "its 3 subtasks are all closed: the backend has to close the task",
        ),
        (
            TASK | {"parts": {"all": 1, "open": 0}},
            {},
            "its only subtask is closed: the backend has to close the task",
        ),
        (READY | {"state": "waiting", "waits_for": ["A (working)"]}, {}, "waits for A (working)"),
        (READY | {"state": "blocked", "reason": "no key"}, agent("ready"), "no key"),
        (READY | {"state": "working"}, agent("crashed"), ""),
    ],
)
def test_why_nobody_works_on_it(node: dict[str, Any], agents: dict[str, Any], said: str) -> None:
    assert why(node, agents) == said


def test_a_task_is_shown_with_how_many_of_its_subtasks_are_open(tmp_path: Path) -> None:
    office = Office(tmp_path, on_disk=True)
    for task in ("T", "U"):
        office.create(task, entity="task")
        for part in "123":
            office.create(task + part, "coder", parent=task)
    for part in ("T1", "T2", "T3", "U1"):
        office.complete(part)
    office.close()
    reader = JournalReader(tmp_path / "journal.db")
    found = {node["id"]: why(node, {}) for node in reader.nodes(closed=False, limit=10)}
    reader.close()
    assert found["T"] == "its 3 subtasks are all closed: the backend has to close the task"
    assert found["U"] == "waits for 2 of its 3 subtasks"


def test_what_was_so_at_the_end_is_not_said_of_now(tmp_path: Path) -> None:
    # Given: a journal in which the backend is open and an agent works.
    journal = Journal(tmp_path / "journal.db")
    journal.execute("INSERT INTO meta VALUES ('backend', 'open ws://x')")
    journal.execute(
        "INSERT INTO agents (agent, session_id, state, since, pid) VALUES ('a', 's', 'working', 1, 7)"
    )
    journal.commit()
    journal.close()
    reader = JournalReader(tmp_path / "journal.db")
    # When its coordinator runs, that is how it is; when it doesn't, that is how it was.
    found = overview(reader, Holder(1, "http://x"), {"paused": None}, closed=False)
    assert (found["backend"], found["agents"][0]["state"]) == ("open ws://x", "working")
    found = overview(reader, None, None, closed=False)
    assert found["backend"] == "unknown (when it last ran: open ws://x)"
    assert (found["agents"][0]["state"], found["agents"][0]["pid"]) == ("stopped", None)
    reader.close()
