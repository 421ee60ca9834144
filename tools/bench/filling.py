"""Creation of a long history in a work directory, as after a long time of work."""

from actors.graph.graph import Graph
from actors.journal.history import EventHistory
from actors.journal.journal import Journal
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep
from actors.protocol.events import AnyNodeEvent, NodeCompleted, NodeCreated, NodeUpdated
from actors.workdir import WorkDir

SUBTASKS = 20_000
OPEN = 2_000
"""Number of subtasks that still wait, each for the one before it."""
EVENTS_A_SUBTASK = 5
BATCH = 1_000
"""Subtasks in one transaction."""


def fill(workdir: WorkDir) -> None:
    """Journal 20,000 subtasks with 100,000 events, and write the matching history file."""
    journal = Journal(workdir.journal)
    graph = Graph(journal.nodes.find)
    history, last = EventHistory(journal), 0
    with workdir.history.open("wb") as file:
        for first in range(0, SUBTASKS, BATCH):
            for number in range(first, first + BATCH):
                _live_through(number, journal, graph, history)
            journal.nodes.save(*graph.take_touched())
            journal.commit()
            while last < history.last:
                lines, last = history.page_after(last)
                file.writelines(line + b"\n" for line in lines)
    journal.close()
    workdir.history.chmod(0o600)


def _live_through(number: int, journal: Journal, graph: Graph, history: EventHistory) -> None:
    node_id, at = f"old-{number}", 1_700_000_000.0 + number
    is_open = number >= SUBTASKS - OPEN
    upstreams = (f"old-{number - 1}",) if is_open else ()
    events: list[AnyNodeEvent] = [
        NodeCreated(
            entity="subtask", id=node_id, title=f"Subtask {number}", details="Details. " * 20,
            assignees=(f"old-agent-{number % 20}",), dependencies=upstreams,
        )
    ]  # fmt: skip
    updates = EVENTS_A_SUBTASK - (1 if is_open else 2)
    events += [NodeUpdated(entity="subtask", id=node_id, title=f"Version {each}") for each in range(updates)]
    if not is_open:
        events.append(NodeCompleted(entity="subtask", id=node_id, summary="Five tables, with UUIDs. " * 12))
        _deliver(number, node_id, journal, at)
    for place, event in enumerate(events):
        document = event.model_dump_json(exclude_none=True).encode()
        key = f"old-{number}-{place}"
        history.record(at=at, source="backend", kind=event.kind, subject=node_id, key=key, document=document)
        graph.apply(event, at)


def _deliver(number: int, node_id: str, journal: Journal, at: float) -> None:
    agent, delivery_id = f"old-agent-{number % 20}", f"00000000-0000-4000-8000-{number:012d}"
    delivery = Delivery(
        id=delivery_id, agent=agent, kind=DeliveryKind.TASK_READY, subtask_id=node_id, text="Old. " * 100
    )
    journal.deliveries.add(delivery, at)
    journal.deliveries.hand_over(delivery, at)
    journal.deliveries.step(DeliveryStep(delivery_id=delivery_id, state=DeliveryState.COMPLETED), at)
