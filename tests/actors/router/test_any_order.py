"""Any interleaving and repetition of events ends in the same state, with each delivery once."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.events import Event, NodeCompleted, NodeCreated, NodeDeleted, NodeUpdated
from actors.messages import EventReceived
from tests.actors.router.office import Office

AGENTS = ("a", "b", "c")


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """What a backend might tell of a random graph, in its own order."""
    size = draw(st.integers(2, 7))
    events: list[dict[str, Any]] = []
    for number in range(size):
        upstreams = draw(st.lists(st.integers(0, number - 1), unique=True, max_size=3)) if number else []
        events.append(_described(NodeCreated, number, draw(st.sampled_from(AGENTS)), upstreams))
        for _ in range(draw(st.integers(0, 2))):
            changed = draw(st.lists(st.integers(0, number - 1), unique=True, max_size=2)) if number else []
            kind = draw(st.sampled_from(["assignees", "details", "dependencies"]))
            values = {
                "assignees": (draw(st.sampled_from(AGENTS)),),
                "details": draw(st.text(max_size=5)),
                "dependencies": tuple(f"S{upstream}" for upstream in changed),
            }
            events.append({"type": NodeUpdated, "id": f"S{number}", kind: values[kind]})
        ending = draw(st.sampled_from([None, None, NodeCompleted, NodeCompleted, NodeDeleted, "cancelled"]))
        if ending == "cancelled":
            events.append({"type": NodeUpdated, "id": f"S{number}", "status": "cancelled"})
            if draw(st.booleans()):
                events.append({"type": NodeUpdated, "id": f"S{number}", "status": "todo"})
        elif ending is not None:
            events.append({"type": ending, "id": f"S{number}"})
    keyed = draw(st.booleans())
    return [
        event.pop("type")(entity="subtask", seq=seq, key=f"k{seq}" if keyed else None, **event)
        for seq, event in enumerate(events, 1)
    ]


def _described(kind: type, number: int, agent: str, upstreams: list[int]) -> dict[str, Any]:
    return {
        "type": kind,
        "id": f"S{number}",
        "title": f"Title {number}",
        "assignees": (agent,),
        "dependencies": tuple(f"S{upstream}" for upstream in upstreams),
    }


def _play(events: list[Event], batch: int = 1) -> tuple[dict[str, Any], Counter[tuple[str, str]]]:
    """The state at the end, and how often each assignment waits to be delivered."""
    with tempfile.TemporaryDirectory() as directory:
        office = Office(Path(directory))
        for start in range(0, len(events), batch):
            office.tell(*(EventReceived(event=event) for event in events[start : start + batch]))
        ids = {event.subject for event in events if event.subject}
        nodes = [office.node(node_id) for node_id in sorted(ids)]
        state = {
            node.id: (
                node.state,
                node.told,
                node.title,
                node.details,
                node.assignees,
                node.upstreams,
                sorted(node.pending),
            )
            for node in nodes
        }
        rows = office.parts.journal.execute(
            "SELECT subtask_id, agent FROM deliveries WHERE state != 'dead' ORDER BY number"
        ).fetchall()
        expected = {
            (node.id, agent) for node in nodes if node.state == "ready" for agent in node.assignees or ()
        }
        assert set(rows) == expected
        office.close()
        return state, Counter(rows)


@settings(max_examples=300, deadline=None)
@given(stories(), st.data())
def test_the_order_and_repetition_of_events_do_not_matter(events: list[Event], data: st.DataObject) -> None:
    in_order, waiting = _play(events)
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=len(events)))
    shuffled = data.draw(st.permutations(repeated))
    batch = data.draw(st.integers(1, 5))
    state, again = _play(list(shuffled), batch)
    assert state == in_order
    assert again == waiting
    assert all(times == 1 for times in again.values())
