"""Regression tests for each known defect of the original design's router.

Those that need a socket, a file or a process are tested where these are: a backend that is down and what is missed
during a disconnect (connection, e2e), payloads that lack something and names that escape (dialects), control bytes and
forged lines (context), an agent that exits while it is written to (session), kill -9 under load (e2e).
"""

from pathlib import Path

import pytest

from actors.protocol.backend import EventReceived
from actors.protocol.deliveries import DeliveryState
from actors.protocol.events import NodeCompleted
from tests.actors.router.office import Office


def test_a_dependents_session_is_started_without_unrelated_traffic(office: Office) -> None:
    office.create("A", "a")
    office.create("B", "b", "A")
    office.complete("A")
    assert "session:b" in office.started()
    office.up("b")
    assert office.kinds("b") == ["dependency_completed B"]


def test_a_dependent_may_be_known_before_its_upstream(office: Office) -> None:
    office.up("b")
    office.create("B", "b", "A")
    assert office.delivered() == []
    office.create("A", "a")
    office.complete("A", "at last")
    assert "> at last" in office.delivered("b")[0].text


def test_a_dependent_may_come_after_its_upstream_was_completed(office: Office) -> None:
    office.up("b")
    office.create("A", "a")
    office.complete("A", "long done")
    office.create("B", "b", "A")
    assert "> long done" in office.delivered("b")[0].text


def test_a_completion_may_come_before_its_creation(office: Office) -> None:
    office.up("a", "b")
    office.complete("A", "early")
    office.create("A", "a")
    office.create("B", "b", "A")
    assert office.delivered("a") == []
    assert "> early" in office.delivered("b")[0].text


def test_a_repeated_creation_erases_no_edges(office: Office) -> None:
    office.up("b")
    office.create("A", "a")
    office.create("B", "b", "A")
    office.create("A", "a")
    office.create("B", "b", "A")
    office.complete("A")
    assert office.kinds("b") == ["dependency_completed B"]


def test_a_repeated_completion_injects_nothing_again(office: Office) -> None:
    office.up("b")
    office.create("A", "a")
    office.create("B", "b", "A")
    for _ in range(3):
        office.complete("A")
    assert office.kinds("b") == ["dependency_completed B"]


def test_a_second_subtask_for_an_agent_uses_the_session_that_it_has(office: Office) -> None:
    office.create("one", "a")
    office.up("a")
    office.create("two", "a")
    office.report("a")
    office.end_turn("a")
    assert office.started() == ["session:a"]
    assert office.kinds("a") == ["task_ready one", "task_ready two"]


def test_a_completion_without_anything_poisons_nothing(durable: Office) -> None:
    durable.create("B", "b", "A")
    durable.tell(EventReceived(event=NodeCompleted(entity="subtask", id="A")))
    durable.restart()
    durable.up("b")
    assert durable.kinds("b") == ["dependency_completed B"]


def test_a_created_subtask_without_assignees_waits_for_one(office: Office) -> None:
    office.up("late")
    office.create("A")
    assert office.node("A").state == "ready"
    office.update("A", assignees=("late",))
    assert office.kinds("late") == ["task_ready A"]


@pytest.mark.parametrize(
    ("edges", "paths"),
    [
        ({"A": ["A"]}, {"A": "A → A"}),
        ({"A": ["B"], "B": ["A"]}, {"A": "A → B → A", "B": "B → A → B"}),
        (
            {"A": ["C"], "B": ["A"], "C": ["B"]},
            {"A": "A → C → B → A", "B": "B → A → C → B", "C": "C → B → A → C"},
        ),
    ],
)
def test_cycles_are_noted_with_their_path_and_end_when_they_are_broken(
    office: Office, edges: dict[str, list[str]], paths: dict[str, str]
) -> None:
    office.up("x")
    for node, upstreams in edges.items():
        office.create(node, "x", *upstreams)
    office.create("outside", "x", "A")
    assert {node: office.node(node).reason for node in edges} == paths
    assert all(office.node(node).state == "blocked" for node in edges)
    assert office.node("outside").state == "waiting"
    assert office.node("outside").pending == {"A"}
    assert office.delivered() == []
    # When one of them no longer waits
    office.update("A", dependencies=())
    assert office.kinds("x") == ["task_ready A"]
    assert not any(office.node(node).state == "blocked" for node in edges)


def test_a_cancelled_upstream_is_noted_and_can_be_mended(office: Office) -> None:
    office.up("b")
    office.create("A", "a")
    office.create("B", "b", "A")
    office.update("A", status="cancelled")
    assert (office.node("B").state, office.node("B").reason) == ("blocked", "A → B: A was cancelled")
    office.update("B", dependencies=())
    assert office.kinds("b") == ["dependency_completed B"] or office.kinds("b") == ["task_ready B"]


def test_a_cancelled_subtask_that_is_taken_up_again_goes_on(office: Office) -> None:
    office.up("a", "b")
    office.create("A", "a")
    office.create("B", "b", "A")
    office.update("A", status="cancelled")
    office.end_turn("a")
    office.update("A", status="todo")
    assert office.node("B").state == "waiting"
    assert office.kinds("a") == ["task_ready A", "subtask_closed A", "task_ready A"]
    office.complete("A")
    assert office.kinds("b") == ["dependency_completed B"]


def test_an_agent_that_does_not_read_holds_no_memory(tmp_path: Path) -> None:
    office = Office(tmp_path, queue_size=10)
    office.up("a")
    for number in range(500):
        office.message("a", f"{number}")
    lane = office.parts.lanes.by_agent["a"]
    assert len(lane.outstanding) <= 10
    assert len(lane.words.in_memory()) <= 10
    # When it reads again, all of it comes, in order
    while lane.outstanding:
        for delivery in list(lane.outstanding.values()):
            office.receive("a", delivery, DeliveryState.COMPLETED)
    assert [each.text.rpartition("> ")[2] for each in office.delivered("a")] == [str(n) for n in range(500)]
    office.close()


def test_a_burst_of_chains_loses_nothing(office: Office) -> None:
    office.up("agent")
    for chain in range(300):
        for link in range(3):
            upstream = (f"c{chain}-{link - 1}",) if link else ()
            office.create(f"c{chain}-{link}", f"agent-{link}", *upstream)
    office.up(*(f"agent-{link}" for link in range(3)))
    for chain in range(300):
        for link in range(3):
            office.complete(f"c{chain}-{link}", by=f"agent-{link}")
    rows = office.parts.journal.execute(
        "SELECT count(*), count(DISTINCT subtask_id) FROM deliveries"
    ).fetchone()
    assert rows == (900, 900)
