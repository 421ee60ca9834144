"""The execution of decisions: each becomes a change of lanes, a delivery, a note or a publication."""

from collections.abc import Iterable
from typing import assert_never

from actors.graph.changes import (
    Amended,
    Closed,
    Held,
    NotReopened,
    Released,
    Reopened,
    Resumed,
    UpstreamDone,
    Withdrawn,
)
from actors.graph.node import BY_GRAPH, Node, Status
from actors.protocol.deliveries import DeliveryKind
from actors.router.alerts import log_held, log_not_reopened
from actors.router.context import ContextBuilder
from actors.router.decisions import (
    ContextDue,
    Decision,
    Decisions,
    HandEmptied,
    HistoryGone,
    LanesChanged,
    ReminderDue,
    RestartWanted,
    RetryWanted,
    SessionWanted,
)
from actors.router.dispatch import Dispatch
from actors.router.lanes import Lanes
from actors.router.progress import log_closed
from actors.router.publisher import blocked_payload
from actors.router.under_way import tell_under_way
from actors.router.unit_of_work import UnitOfWork

Agents = Iterable[str]


class Workflow:
    """The only place where decisions have effects.

    Args:
        lanes: The agents.
        dispatch: Starts sessions, and queues assignments.
        context: Composes deliveries.
    """

    def __init__(self, lanes: Lanes, dispatch: Dispatch, context: ContextBuilder) -> None:
        self._lanes = lanes
        self._dispatch = dispatch
        self._context = context

    def carry_out(self, decisions: Decisions, work: UnitOfWork) -> list[str]:
        """Carry decisions out, in order; return the agents whose lanes have changed."""
        return [agent for decision in decisions for agent in self._carry_out(decision, work)]

    def _carry_out(self, decision: Decision, work: UnitOfWork) -> Agents:
        match decision:
            case Released(node, agents):
                return self._release(node, agents, work)
            case ContextDue(agent, kind, subtask_id, compose):
                self._lanes.queue(agent, kind, subtask_id, work, compose)
                return (agent,)
            case LanesChanged(agents):
                return agents
            case Closed(node, by):
                return self._close(node, by, work)
            case Amended(node, fields):
                return self._amend(node, fields, work)
            case UpstreamDone(node, upstream):
                return self._tell_of_upstream(node, upstream, work)
            case Withdrawn(node, agents, reason):
                return self._withdraw(node, agents, reason, work)
            case Held(node):
                self._announce_hold(decision, node, work)
                return ()
            case Resumed(node):
                return self._resume(node, work)
            case Reopened(node):
                work.note(f"{node.entity}.reopened", node.id)
                return ()
            case NotReopened(node):
                work.note(f"{node.entity}.not_reopened", node.id, reason=log_not_reopened(node))
                return ()
            case ReminderDue(agent, node):
                return self._remind(agent, node, work)
            case SessionWanted(agent):
                self._dispatch.start_session(agent, work)
                return (agent,)
            case RestartWanted(agent, new_conversation):
                self._dispatch.restart(agent, work, new_conversation=new_conversation)
                return (agent,)
            case HistoryGone(agent):
                self._dispatch.forget(self._lanes.of(agent, work), work)
                return (agent,)
            case RetryWanted(delivery):
                self._lanes.requeue(delivery, work)
                return (delivery.agent,)
            case HandEmptied(agent):
                self._lanes.take_in_hand(self._lanes.of(agent, work), None)
                return (agent,)
            case _:
                assert_never(decision)

    def _release(self, node: Node, agents: tuple[str, ...], work: UnitOfWork) -> Agents:
        for agent in agents:
            self._dispatch.assign(agent, node, work)
        return agents

    def _resume(self, node: Node, work: UnitOfWork) -> Agents:
        """Have the assignees with the node in hand go on, and assign it to the others again."""
        work.note(f"{node.entity}.resumed", node.id)
        if node.started:
            tell_under_way(node, work)
        agents = (node.assignees or ()) if node.released else ()
        for agent in agents:
            self._dispatch.go_on(agent, node, work)
        return agents

    def _close(self, node: Node, by: str | None, work: UnitOfWork) -> Agents:
        """Withdraw a closed subtask from all its agents; the one that completed it isn't told."""
        log_closed(node)
        others = tuple(agent for agent in node.assignees or () if agent != by)
        changed = list(self._withdraw(node, others, _how_closed(node), work))
        if by in (node.assignees or ()):
            self._lanes.withdraw(node.id, str(by), _how_closed(node), work)
            changed.append(str(by))
        return changed

    def _withdraw(self, node: Node, agents: tuple[str, ...], reason: str, work: UnitOfWork) -> Agents:
        for agent in agents:
            if self._lanes.withdraw(node.id, agent, reason, work):
                self._lanes.queue(
                    agent,
                    DeliveryKind.SUBTASK_CLOSED,
                    node.id,
                    work,
                    lambda delivery_id: self._context.closed(delivery_id, node, reason),
                )
        return [agent for agent in agents if agent in self._lanes.by_agent]

    def _amend(self, node: Node, fields: tuple[str, ...], work: UnitOfWork) -> Agents:
        agents = self._informed(node)
        for agent in agents:
            self._lanes.queue(
                agent,
                DeliveryKind.SUBTASK_UPDATED,
                node.id,
                work,
                lambda delivery_id: self._context.update(delivery_id, node, fields),
            )
        return agents

    def _tell_of_upstream(self, node: Node, upstream: Node, work: UnitOfWork) -> Agents:
        agents = self._informed(node)
        for agent in agents:
            self._lanes.queue(
                agent,
                DeliveryKind.UPSTREAM_COMPLETED,
                node.id,
                work,
                lambda delivery_id: self._context.upstream(delivery_id, node, upstream),
            )
        return agents

    def _remind(self, agent: str, node: Node, work: UnitOfWork) -> Agents:
        self._lanes.of(agent, work).is_reminded = True
        self._lanes.queue(
            agent,
            DeliveryKind.REMINDER,
            node.id,
            work,
            lambda delivery_id: self._context.reminder(delivery_id, node),
        )
        return (agent,)

    def _informed(self, node: Node) -> list[str]:
        """Return the assignees that were given the node; the others will get it with its latest state."""
        return [
            agent for agent in node.assignees or () if not self._lanes.has_waiting_assignment(node.id, agent)
        ]

    @staticmethod
    def _announce_hold(held: Held, node: Node, work: UnitOfWork) -> None:
        if node.hold is None:
            return  # a later change of the same event ended it
        agent = held.by or next(iter(node.assignees or ()), None)
        work.note(f"{node.entity}.blocked", node.id, agent, reason=node.reason, hold=node.hold)
        if not held.is_logged:
            log_held(node, agent)
        if agent is not None and (node.hold in BY_GRAPH or not held.backend_knows):
            work.publish("agent.blocked", blocked_payload(agent, node.id, node.reason))


def _how_closed(node: Node) -> str:
    if node.status is Status.COMPLETED:
        return f"it was completed by {node.by}" if node.by else "it was completed elsewhere"
    return f"it was {node.status.value}"
