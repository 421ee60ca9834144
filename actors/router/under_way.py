"""News for the backend of a subtask that is under way."""

from actors.graph.node import Node
from actors.router.unit_of_work import UnitOfWork


def tell_under_way(node: Node, work: UnitOfWork) -> None:
    """Tell the backend that an agent works on this subtask, for the first time or again after a block."""
    if node.entity == "subtask":
        work.publish("subtask.updated", {"id": node.id, "status": "in_progress"})
