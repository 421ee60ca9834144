"""Recovery after a damaged journal: missing rows are derived from those that were salvaged.

The backend resends its events, but salvaged ones are known and change nothing. So lost nodes are rebuilt from the
salvaged events, and each open subtask that is neither delivered nor queued is queued again.
"""

from actors.graph.graph import Graph
from actors.journal.journal import Journal
from actors.router.dispatch import Dispatch
from actors.router.lanes import Lanes
from actors.router.publisher import completed_payload
from actors.router.unit_of_work import UnitOfWork


def make_whole(journal: Journal, graph: Graph, lanes: Lanes, dispatch: Dispatch, work: UnitOfWork) -> None:
    """Restore lost nodes, lanes, assignments and publications, in the transaction that notes the damage.

    An agent may be given a subtask a second time, if the delivery was lost. Lost messages can't be restored.
    """
    for at, event in journal.events.of_lost_nodes():
        graph.apply(event, at)  # its changes are derived below, from the final state
    journal.nodes.save(*graph.take_touched())
    lanes.find_agents(work)
    for node in list(graph.open.values()):
        if node.released and node.hold is None:
            for agent in node.assignees or ():
                if not lanes.is_given(node.id, agent):
                    dispatch.assign(agent, node, work)
    for completed in journal.events.unpublished():
        work.publish(completed.kind, completed_payload(completed, graph.get(completed.id)), completed.key)
