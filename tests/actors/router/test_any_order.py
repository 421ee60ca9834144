"""Any interleaving and repetition of events ends in the same state, with each delivery once."""

import tempfile
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.graph.node import Node
from actors.protocol.backend import EventReceived
from actors.protocol.events import Event, NodeCompleted, NodeCreated, NodeDeleted, NodeUpdated
from tests.actors.router.office import Office

AGENTS = ("a", "b", "c")


@st.composite
def stories(draw: st.DrawFn, *, counted: bool) -> list[Event]:
    """Draw the events of a random graph, cycles included, in a backend's order.

    One that has its events ``counted`` may change the same field many times. Where it doesn't, nobody can know which
    of two changes came last, so there is one at most.
    """
    size = draw(st.integers(2, 7))
    is_acyclic = draw(st.booleans())
    events: list[dict[str, Any]] = []
    for number in range(size):
        others = st.integers(0, number - 1 if is_acyclic else size - 1)
        can_wait = number > 0 or not is_acyclic
        upstreams = draw(st.lists(others, unique=True, max_size=3)) if can_wait else []
        events.append(_created(number, draw(st.sampled_from(AGENTS)), upstreams))
        changes = st.sampled_from(["assignees", "details", "dependencies"])
        for kind in draw(st.lists(changes, max_size=2, unique=not counted)):
            changed = draw(st.lists(others, unique=True, max_size=2)) if can_wait else []
            values = {
                "assignees": (draw(st.sampled_from(AGENTS)),),
                "details": draw(st.text(max_size=5)),
                "dependencies": tuple(f"S{upstream}" for upstream in changed),
            }
            events.append({"type": NodeUpdated, "id": f"S{number}", kind: values[kind]})
        events += _ending(draw, number, counted=counted)
    keyed = draw(st.booleans())
    return [
        event.pop("type")(
            entity="subtask", seq=seq if counted else None, key=f"k{seq}" if keyed else None, **event
        )
        for seq, event in enumerate(events, 1)
    ]


def _created(number: int, agent: str, upstreams: list[int]) -> dict[str, Any]:
    return {
        "type": NodeCreated,
        "id": f"S{number}",
        "title": f"Title {number}",
        "assignees": (agent,),
        "dependencies": tuple(f"S{upstream}" for upstream in upstreams),
    }


def _ending(draw: st.DrawFn, number: int, *, counted: bool) -> list[dict[str, Any]]:
    node_id = f"S{number}"
    endings = [None, None, NodeCompleted, NodeCompleted, NodeDeleted, "cancelled", "reopened"]
    match draw(st.sampled_from(endings if counted else endings[:-1])):
        case None:
            return []
        case "cancelled":
            cancelled = {"type": NodeUpdated, "id": node_id, "status": "cancelled"}
            after_all = {"type": NodeUpdated, "id": node_id, "status": "todo"}
            return [cancelled, after_all] if counted and draw(st.booleans()) else [cancelled]
        case "reopened":
            completed = {
                "type": NodeCompleted,
                "id": node_id,
                "summary": draw(st.text(max_size=5)),
                "by": "a",
            }
            todo = {
                "type": NodeUpdated,
                "id": node_id,
                "status": draw(st.sampled_from(["todo", "in_progress"])),
            }
            return [completed, todo, *([dict(completed)] if draw(st.booleans()) else [])]
        case kind if kind is NodeCompleted:
            return [{"type": kind, "id": node_id, "summary": draw(st.text(max_size=5)), "by": "a"}]
        case kind:
            return [{"type": kind, "id": node_id}]


def _play(events: list[Event], batch: int = 1) -> tuple[dict[str, Any], Counter[tuple[str, str]]]:
    """Return the final state, and how often each assignment waits."""
    with tempfile.TemporaryDirectory() as directory:
        office = Office(Path(directory))
        for start in range(0, len(events), batch):
            office.tell(*(EventReceived(event=event) for event in events[start : start + batch]))
        ids = {event.subject for event in events if event.subject}
        nodes = [office.node(node_id) for node_id in sorted(ids)]
        rows = office.parts.journal.execute(
            "SELECT subtask_id, agent FROM deliveries WHERE state != 'withdrawn' ORDER BY number"
        ).fetchall()
        office.close()
    expected = {(node.id, agent) for node in nodes if node.state == "ready" for agent in node.assignees or ()}
    assert set(rows) == expected
    still_open = {node.id for node in nodes if not node.is_closed}
    return {node.id: _state(node, still_open) for node in nodes}, Counter(rows)


def _state(node: Node, still_open: set[str]) -> dict[str, Any]:
    """Return everything known of a node, except the times at which it was learned."""
    state = {each.name: getattr(node, each.name) for each in fields(node)}
    state["dependents"] = node.dependents & still_open  # nothing follows for those that are closed
    of_time = (
        ("times", "released") if node.is_closed else ("times",)
    )  # was it ready once, before it was closed?
    return {name: value for name, value in state.items() if name not in of_time}


@settings(max_examples=300, deadline=None)
@given(st.booleans().flatmap(lambda counted: stories(counted=counted)), st.data())
def test_the_order_and_repetition_of_events_do_not_matter(events: list[Event], data: st.DataObject) -> None:
    in_order, waiting = _play(events)
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=len(events)))
    shuffled = data.draw(st.permutations(repeated))
    batch = data.draw(st.integers(1, 5))
    state, again = _play(list(shuffled), batch)
    assert state == in_order
    assert again == waiting
    assert all(times == 1 for times in again.values())
