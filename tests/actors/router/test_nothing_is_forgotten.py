"""Random sequences, after which each subtask is closed, held with a reason, waits for such a one, or is unassigned."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.graph.node import Node
from actors.protocol.deliveries import DeliveryState, DeliveryStep
from actors.protocol.reports import ReportBlocked, RetrySubtask, SendMessage, StartSession
from actors.protocol.sessions import Progressed, SessionReady, Unblock
from tests.actors.router.office import Office

AGENTS = ("a", "b")
NODES = ("S0", "S1", "S2", "S3")

agents, nodes = st.sampled_from(AGENTS), st.sampled_from(NODES)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["end_turn", "blocks", "completes", "dies", "start", "send"]), agents),
    st.tuples(st.sampled_from(["edit", "retry", "complete", "words"]), nodes),
    st.tuples(st.just("status"), nodes, st.sampled_from(["blocked", "todo", "in_progress", "cancelled"])),
    st.tuples(st.just("assign"), nodes, st.lists(agents, unique=True)),
    st.tuples(st.just("depend"), nodes, st.lists(nodes, unique=True, max_size=2)),
    st.tuples(st.just("restart")),
)  # fmt: skip


class Play:
    """An office whose sessions answer a restarted router."""

    def __init__(self, directory: Path) -> None:
        self.office = Office(directory, on_disk=True)
        self._heard = 0
        self.office.up(*AGENTS)
        for number, node_id in enumerate(NODES):
            self.office.create(node_id, AGENTS[number % 2])

    def step(self, what: str, *values: Any) -> None:
        """Perform one step."""
        getattr(self, f"_{what}")(*values)
        self.hear()

    def hear(self) -> None:
        """Have the sessions that were asked report their state."""
        told, self._heard = self.office.told[self._heard :], len(self.office.told)
        for name, message in told:
            if isinstance(message, Unblock):
                agent = name.removeprefix("session:")
                idle = not self.office.parts.lanes.by_agent[agent].outstanding
                self.office.tell(SessionReady(agent=agent, idle=idle))

    def _end_turn(self, agent: str) -> None:
        if self.office.parts.lanes.by_agent[agent].outstanding:
            self.office.end_turn(agent)

    def _blocks(self, agent: str) -> None:
        self.office.ask(ReportBlocked, agent=agent, way="gateway", reason="stuck")

    def _completes(self, agent: str) -> None:
        self.office.report(agent)

    def _dies(self, agent: str) -> None:
        for delivery in list(self.office.parts.lanes.by_agent[agent].outstanding.values())[:1]:
            step = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason="no receipt")
            self.office.tell(Progressed(agent=agent, steps=(step,)))
        self._end_turn(agent)

    def _start(self, agent: str) -> None:
        self.office.ask(StartSession, agent=agent)

    def _send(self, agent: str) -> None:
        self.office.ask(SendMessage, agent=agent, text="hi", sender="person", source="person")

    def _edit(self, node_id: str) -> None:
        self.office.update(node_id, details=f"edited at {self.office.now}")

    def _retry(self, node_id: str) -> None:
        self.office.ask(RetrySubtask, subtask_id=node_id)

    def _complete(self, node_id: str) -> None:
        self.office.complete(node_id)

    def _words(self, node_id: str) -> None:
        for agent in self.office.node(node_id).assignees or ():
            self.office.message(agent, "hi", subtask_id=node_id)

    def _status(self, node_id: str, status: str) -> None:
        self.office.update(node_id, status=status)

    def _assign(self, node_id: str, assignees: list[str]) -> None:
        self.office.update(node_id, assignees=tuple(assignees))

    def _depend(self, node_id: str, upstreams: list[str]) -> None:
        self.office.update(node_id, dependencies=tuple(upstreams))

    def _restart(self) -> None:
        self.office.restart()
        self.office.up(*AGENTS)

    def rest(self) -> None:
        """Have the agents complete everything, until nothing more comes."""
        for _ in range(100):
            busy = [agent for agent in AGENTS if self.office.parts.lanes.by_agent[agent].outstanding]
            for agent in busy:
                self.office.report(agent)
                self.office.end_turn(agent)
                self.hear()
            if not busy:
                return
        raise AssertionError("the agents never come to rest")

    def forgotten(self) -> list[str]:
        """Return the subtasks that nobody works on, and nobody is told of."""
        return [each for each in NODES if not self._is_accounted_for(self.office.node(each))]

    def _is_accounted_for(self, node: Node) -> bool:
        waits = bool(node.pending) and not node.released
        return node.is_closed or (node.hold is not None and bool(node.reason)) or waits or not node.assignees


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_at_rest_nothing_is_forgotten(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        play = Play(Path(directory))
        try:
            for what, *values in steps:
                play.step(what, *values)
            play.rest()
            assert play.forgotten() == []
        finally:
            play.office.close()
