"""After a journal was damaged: what is missing is worked out again from what could be read.

The backend repeats its events, but those that could be kept are known, and change nothing. So nodes that were lost are
built from the events that tell of them, and then everything open is looked over: is it on its way to its agents?
"""

from actors.graph.graph import Graph
from actors.journal.journal import Journal
from actors.router.dispatch import Dispatch
from actors.router.lanes import Lanes
from actors.router.publisher import completed_payload
from actors.router.unit_of_work import UnitOfWork


def make_whole(journal: Journal, graph: Graph, lanes: Lanes, dispatch: Dispatch, work: UnitOfWork) -> None:
    """Work out what is missing; part of the transaction that tells of the damage.

    What agents were told before, in a conversation that is lost, they may be told again; words to them that were lost
    are not known to anybody.
    """
    for at, event in journal.events.of_lost_nodes():
        graph.apply(event, at)  # what follows from it is seen below
    journal.nodes.save(*graph.take_touched())
    lanes.find_agents(work)
    for node in list(graph.open.values()):
        if node.released and node.hold is None:
            for agent in node.assignees or ():
                if not lanes.is_given(node.id, agent):
                    dispatch.assign(agent, node, work)
    for completed in journal.events.unpublished():
        work.publish(completed.kind, completed_payload(completed, graph.get(completed.id)), completed.key)
