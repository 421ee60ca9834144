"""The lanes of all agents, the same in memory as in the journal."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from actors.graph.graph import Graph
from actors.graph.node import Node
from actors.journal.journal import Journal
from actors.lib.ids import new_id
from actors.protocol.deliveries import CONTEXT_FILE, Delivery, DeliveryKind, DeliveryState, DeliveryStep
from actors.protocol.sessions import SessionState
from actors.router.context import one_line, quoted_text, unwritten
from actors.router.decisions import Compose
from actors.router.lane import Lane, Window
from actors.router.unit_of_work import UnitOfWork

LISTED, BEGINNING = 100, 200
"""The most open deliveries that are listed for people, and the most characters of each."""


class Lanes:
    """The lanes of all agents: waiting and outstanding deliveries, and subtasks in hand.

    What must hold: each method changes the journal and the memory alike, so that the next router, which has only the
    journal, finds the same lanes.

    Args:
        journal: Keeps deliveries and agents.
        graph: The subtasks.
        queue_size: The most waiting deliveries of an agent, of each kind, that are kept in memory.

    Attributes:
        by_agent: Each agent's lane.
        changed: Agents whose lanes may have changed since the feed last looked.
    """

    def __init__(self, journal: Journal, graph: Graph, queue_size: int) -> None:
        self._journal = journal
        self._graph = graph
        self._queue_size = queue_size
        self.by_agent: dict[str, Lane] = {}
        self.changed: set[str] = set()
        for agent, session_id, began_at, state, in_hand, reminders in journal.agents.load():
            lane = self._new_lane(agent, session_id)
            lane.began_at = began_at
            lane.state, lane.in_hand, lane.reminders = SessionState(state), in_hand, reminders
            self._restore(lane)

    def of(self, agent: str, work: UnitOfWork) -> Lane:
        """Return the agent's lane; a new agent gets one, with a new conversation."""
        lane = self.by_agent.get(agent)
        if lane is None:
            lane = self._new_lane(agent, new_id())
            self._journal.agents.add(agent, lane.session_id, work.now)
        return lane

    def find_agents(self, work: UnitOfWork) -> None:
        """Restore the lanes of agents that have deliveries, but were lost from a damaged journal."""
        for agent in self._journal.deliveries.agents():
            if agent in self.by_agent:
                continue
            lane = self.of(agent, work)
            self._restore(lane)
            for delivery in lane.outstanding.values():
                if delivery.kind.assigns:
                    self.take_in_hand(lane, delivery.subtask_id)

    def begin(self, lane: Lane, session_id: str, work: UnitOfWork) -> None:
        """Record that the agent's conversation begins now: a new one, or an old one whose history is gone."""
        lane.session_id, lane.began_at = session_id, work.now
        self._journal.agents.begin(lane.agent, session_id, work.now)

    def words_before(self, lane: Lane, subtask_id: str) -> list[str]:
        """Return the messages about the subtask that the agent got in an earlier conversation, oldest first."""
        return self._journal.deliveries.words_before(lane.agent, subtask_id, lane.began_at)

    def first_given(self, lane: Lane, subtask_id: str) -> float:
        """Return when the agent was first given the subtask, in seconds since the epoch; 0.0: never."""
        return self._journal.deliveries.first_given(lane.agent, subtask_id)

    # ------------------------------------------------------------ deliveries

    def queue(
        self,
        agent: str,
        kind: DeliveryKind,
        subtask_id: str | None,
        work: UnitOfWork,
        compose: Compose = unwritten,
    ) -> None:
        """Queue a delivery. An assignment has no text yet: it is composed when it is handed over."""
        delivery_id = new_id()
        context = compose(delivery_id)
        delivery = Delivery(
            id=delivery_id,
            agent=agent,
            kind=kind,
            subtask_id=subtask_id,
            text=context.text,
            document=context.document,
        )
        self._journal.steps.add_queued(delivery, work.now)
        number = self._journal.deliveries.add(delivery, work.now)
        self._offer(self.of(agent, work), number, _without_document(delivery))

    def requeue(self, delivery: Delivery, work: UnitOfWork) -> None:
        """Queue a dead letter again, behind all other deliveries."""
        lane = self.of(delivery.agent, work)
        number, again = self._journal.deliveries.requeue(delivery.id)
        self._journal.steps.add_queued(again, work.now)
        self._offer(lane, number, again)
        if lane.in_hand == delivery.subtask_id and delivery.kind.assigns:
            self.take_in_hand(lane, None)

    def withdraw(self, subtask_id: str, agent: str, reason: str, work: UnitOfWork) -> bool:
        """Withdraw waiting deliveries about the subtask, and take it out of hand; return whether it was in hand."""
        lane = self.by_agent.get(agent)
        if lane is None:
            return False
        for _, delivery in self._journal.deliveries.of_subtask(subtask_id, agent):
            lane.assignments.drop(delivery.id)
            lane.words.drop(delivery.id)
            self.withdraw_one(delivery, reason, work)
        has_it = lane.in_hand == subtask_id
        if has_it:
            self.take_in_hand(lane, None)
        return has_it

    def withdraw_one(self, delivery: Delivery, reason: str, work: UnitOfWork) -> None:
        """Record that a waiting delivery will not be handed over."""
        step = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.WITHDRAWN, reason=reason)
        self._journal.deliveries.step(step, work.now)
        self._journal.steps.add(delivery, step, work.now)

    def hand_over(self, lane: Lane, delivery: Delivery, work: UnitOfWork) -> None:
        """Record that a delivery goes to its session with this text, which is the same on every retry."""
        lane.outstanding[delivery.id] = _without_document(delivery)
        if is_shortened(delivery):
            lane.large.add(delivery.id)
        self._journal.deliveries.hand_over(delivery, work.now)

    def whole(self, delivery: Delivery) -> Delivery:
        """Return the delivery with its document, as a session needs it. Only the journal keeps documents: many wait."""
        if delivery.document or not is_shortened(delivery):
            return delivery
        return delivery.model_copy(update={"document": self._journal.deliveries.document(delivery.id)})

    def advance(self, lane: Lane, step: DeliveryStep, work: UnitOfWork) -> Delivery | None:
        """Record a step of a delivery; return it as it was handed over, or None if the step is late or repeated."""
        delivery = lane.outstanding.get(step.delivery_id)
        if delivery is None:
            return None
        if not lane.advance(delivery, step):
            if step.attempts is not None:
                self._journal.deliveries.count(step.delivery_id, step.attempts)
            return None
        self._journal.deliveries.step(step, work.now)
        self._journal.steps.add(delivery, step, work.now)
        return delivery

    def has_waiting_assignment(self, subtask_id: str, agent: str) -> bool:
        """Return whether an assignment of the subtask to the agent waits."""
        waiting = self._journal.deliveries.of_subtask(subtask_id, agent)
        return any(delivery.kind.assigns for _, delivery in waiting)

    def is_given(self, subtask_id: str, agent: str) -> bool:
        """Return whether the agent has the subtask in hand, or an assignment of it waits or is outstanding."""
        lane = self.by_agent.get(agent)
        if lane is None:
            return False
        on_its_way = (each.subtask_id for each in lane.outstanding.values() if each.kind.assigns)
        return subtask_id in (lane.in_hand, *on_its_way) or self.has_waiting_assignment(subtask_id, agent)

    def set_state(
        self, lane: Lane, state: SessionState, detail: str, work: UnitOfWork, pid: int | None = None
    ) -> None:
        """Set the state of the agent's session, with its reason and its process."""
        lane.state = state
        self._journal.agents.set_state(lane.agent, state.value, detail, pid, work.now)

    # ------------------------------------------------------------ the subtask in hand

    def in_hand(self, lane: Lane) -> Node | None:
        """Return the subtask in hand; None if there is none, or it is closed or held."""
        node = self._graph.get(lane.in_hand) if lane.in_hand else None
        return None if node is None or node.is_closed or node.hold is not None else node

    def take_in_hand(self, lane: Lane, subtask_id: str | None) -> None:
        """Set the subtask in hand (None: nothing), with no reminders counted."""
        lane.in_hand, lane.is_reminded, lane.reminders = subtask_id, False, 0
        lane.courtesy.begin_anew()
        self._journal.agents.set_hand(lane.agent, subtask_id, 0)

    def meant_by(self, agent: str, subtask_id: str | None) -> Node | None:
        """Return the subtask that words for the agent are about.

        Words without a subtask are about the held subtask in hand, else about the agent's only held subtask.
        """
        if subtask_id is not None:
            return self._graph.get(subtask_id)
        lane, held = self.by_agent.get(agent), self._graph.held(agent)
        in_hand = lane.in_hand if lane else None
        return next((node for node in held if node.id == in_hand or len(held) == 1), None)

    def count_reminders(self, lane: Lane) -> int:
        """Count a reminder that the last turn left unanswered; return their number for the subtask in hand."""
        if lane.is_reminded:
            lane.is_reminded = False
            lane.reminders += 1
            self._journal.agents.set_hand(lane.agent, lane.in_hand, lane.reminders)
        return lane.reminders

    # ------------------------------------------------------------ for people

    def open_deliveries(self, agent: str) -> list[dict[str, Any]]:
        """Return the open deliveries, as ``<agent>_queue.json`` lists them; the last entry counts those left out."""
        found, count = self._journal.deliveries.open_of(agent, LISTED)
        times = self._journal.deliveries.times([delivery.id for _, delivery in found])
        listed = [self._describe(delivery, times[delivery.id]) for _, delivery in found]
        more = count - len(listed)
        return [*listed, {"more": more}] if more else listed

    def _describe(self, delivery: Delivery, queued_at: float) -> dict[str, Any]:
        node = self._graph.get(delivery.subtask_id) if delivery.subtask_id else None
        return {
            "delivery_id": delivery.id,
            "type": delivery.kind,
            "subtask_id": delivery.subtask_id,
            "title": node.title if node else None,
            "text": _beginning(quoted_text(delivery.text) or (node.details if node else None) or ""),
            "queued_at": datetime.fromtimestamp(queued_at, UTC).isoformat(timespec="seconds"),
            "state": delivery.state,
        }

    # ------------------------------------------------------------ inside

    def _new_lane(self, agent: str, session_id: str) -> Lane:
        def window(*, assigning: bool) -> Window:
            return Window(self._queue_size, partial(self._fetch, agent, assigning))

        lane = Lane(agent, session_id, window(assigning=True), window(assigning=False))
        self.by_agent[agent] = lane
        return lane

    def _fetch(self, agent: str, assigning: bool, after: int, limit: int) -> list[tuple[int, Delivery]]:  # noqa: FBT001 - bound by partial
        return self._journal.deliveries.waiting(agent, assigning=assigning, after=after, limit=limit)

    @staticmethod
    def _offer(lane: Lane, number: int, delivery: Delivery) -> None:
        (lane.assignments if delivery.kind.assigns else lane.words).offer(number, delivery)

    def _restore(self, lane: Lane) -> None:
        handed = [each for _, each in self._journal.deliveries.handed(lane.agent)]
        lane.outstanding = {each.id: each for each in handed}
        lane.large = {each.id for each in handed if each.state is DeliveryState.QUEUED and is_shortened(each)}


def is_shortened(delivery: Delivery) -> bool:
    """Return whether the delivery has a document (or quotes our token for one, which does no harm)."""
    return CONTEXT_FILE in delivery.text


def _without_document(delivery: Delivery) -> Delivery:
    return delivery.model_copy(update={"document": ""}) if delivery.document else delivery


def _beginning(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= BEGINNING else line[:BEGINNING] + "…"
