"""The router's plain classes on their own: messages go in, and what they send after each commit is recorded."""

from collections import defaultdict
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from actors.graph.node import Node
from actors.protocol.backend import BackendOpened, EventReceived, Publish
from actors.protocol.deliveries import Delivery, DeliveryState, DeliveryStep
from actors.protocol.events import AgentMessage, NodeCompleted, NodeCreated, NodeUpdated
from actors.protocol.names import SESSIONS, SessionAddress, session_name
from actors.protocol.reports import Answer, Completion, ReportBlocked, ReportCompletion
from actors.protocol.router import ToSession
from actors.protocol.sessions import (
    Deliver,
    Progressed,
    SessionChanged,
    SessionReady,
    SessionState,
    TurnEnded,
)
from actors.router import ContextBuilder, RouterParts, RouterSettings


class RecordingHost:
    """A host of sessions that records what it is sent.

    Args:
        told: Where: (session's name, message), and (``SESSIONS``, address) for a session that is to run.
    """

    def __init__(self, told: list[tuple[str, Any]]) -> None:
        self._told = told

    def ensure(self, session: SessionAddress) -> None:
        """Record the request to start it."""
        self._told.append((SESSIONS, session))

    def tell(self, session: SessionAddress, message: ToSession) -> None:
        """Record the message."""
        self._told.append((session.name, message))


class Office:
    """The router's parts, a clock that advances a second at each message, and scripted agents.

    Args:
        directory: Where the journal and long contexts go.
        options: For ``RouterSettings``.
    """

    def __init__(
        self, directory: Path, *, on_disk: bool = False, limit: int = 24_000, **options: Any
    ) -> None:
        self.told: list[tuple[str, Any]] = []
        self._host = RecordingHost(self.told)
        self.results: dict[str, ReportCompletion | ReportBlocked] = {}
        self._settings = RouterSettings(
            journal=directory / "journal.db" if on_disk else ":memory:",
            context=ContextBuilder(limit),
            host=lambda _: self._host,
            read_result=lambda _agent, subtask_id: self.results.get(subtask_id),
            **options,
        )
        self.now = 1_000_000.0
        self.open()

    def open(self) -> None:
        """Start (again) on the journal."""
        self.parts = RouterParts(self._settings, self._clock)
        self.parts.start()
        self._commit()

    def restart(self) -> None:
        """Die after the last commit, and start again on the same journal."""
        self.parts.journal.close()
        self.open()

    def close(self) -> None:
        """Close the journal."""
        self.parts.journal.close()

    def _clock(self) -> float:
        self.now += 1
        return self.now

    def _commit(self) -> None:
        self.parts.commit()
        self.parts.outgoing.flush(lambda name, message: self.told.append((name, message)), self._host)

    # ------------------------------------------------------------ telling

    def tell(self, *messages: Any) -> None:
        """Handle these messages and commit."""
        for message in messages:
            self.parts.handle(message)
        self._commit()

    def ask(self, kind: type, **values: Any) -> Answer:
        """Send a report and return its answer."""
        reply: Future[Answer] = Future()
        self.tell(kind(reply=reply, **values))
        return reply.result(timeout=0)

    def create(self, node_id: str, agent: str | None = None, *upstreams: str, **values: Any) -> None:
        """Handle ``subtask.created``."""
        assignees = values.pop("assignees", (agent,) if agent else ())
        event = NodeCreated(
            entity=values.pop("entity", "subtask"), id=node_id, title=values.pop("title", f"Title of {node_id}"),
            assignees=assignees, dependencies=upstreams, **values,
        )  # fmt: skip
        self.tell(EventReceived(event=event))

    def update(self, node_id: str, **values: Any) -> None:
        """Handle ``subtask.updated``."""
        self.tell(EventReceived(event=NodeUpdated(entity="subtask", id=node_id, **values)))

    def complete(self, node_id: str, summary: str = "", **values: Any) -> None:
        """Handle ``subtask.completed`` from the backend."""
        event = NodeCompleted(
            entity="subtask", id=node_id, summary=summary or f"Summary of {node_id}", **values
        )
        self.tell(EventReceived(event=event))

    def message(self, agent: str, text: str, **values: Any) -> None:
        """Handle ``agent.message``."""
        self.tell(EventReceived(event=AgentMessage(agent=agent, text=text, **values)))

    def backend_opens(self) -> None:
        """Open the connection to a backend that acknowledges."""
        self.tell(BackendOpened(instance="backend", acks=True))

    # ------------------------------------------------------------ agents

    def up(self, *agents: str) -> None:
        """Have the agents' sessions report that they are ready."""
        for agent in agents:
            self.tell(SessionReady(agent=agent), SessionChanged(agent=agent, state=SessionState.READY))

    def receive(self, agent: str, delivery: Delivery, *states: DeliveryState) -> None:
        """Have the session report these states of a delivery."""
        steps = tuple(
            DeliveryStep(delivery_id=delivery.id, state=state, receipt="lifecycle") for state in states
        )
        self.tell(Progressed(agent=agent, steps=steps))

    def end_turn(self, agent: str, **values: Any) -> None:
        """Complete all deliveries of the agent, and end its turn."""
        for delivery in list(self.parts.lanes.by_agent[agent].outstanding.values()):
            self.receive(agent, delivery, DeliveryState.STARTED, DeliveryState.COMPLETED)
        self.tell(TurnEnded(agent=agent, **values))

    def report(self, agent: str, summary: str = "done", **values: Any) -> Answer:
        """Report the completion of a subtask, as by ``complete_subtask``."""
        completion = Completion(summary=summary, **values)
        in_hand = self.parts.lanes.by_agent[agent].in_hand
        return self.ask(
            ReportCompletion, agent=agent, way="gateway", completion=completion, subtask_id=in_hand
        )

    # ------------------------------------------------------------ looking

    def delivered(self, agent: str | None = None) -> list[Delivery]:
        """Return the deliveries that sessions were given, each once, oldest first."""
        found = {
            message.delivery.id: message.delivery
            for name, message in self.told
            if isinstance(message, Deliver) and (agent is None or name == session_name(agent))
        }
        return list(found.values())

    def kinds(self, agent: str) -> list[str]:
        """Return the kind and subtask of each delivery that the agent was given."""
        return [f"{each.kind.value} {each.subtask_id or ''}".strip() for each in self.delivered(agent)]

    def started(self) -> list[str]:
        """Return the sessions that were to start."""
        return [message.name for _, message in self.told if isinstance(message, SessionAddress)]

    def published(self) -> list[Publish]:
        """Return the publications to the backend."""
        return [message for _, message in self.told if isinstance(message, Publish)]

    def node(self, node_id: str) -> Node:
        """Return a node."""
        node = self.parts.graph.get(node_id)
        assert node is not None
        return node

    def history(self) -> dict[str, int]:
        """Count the events in the history by kind."""
        found: dict[str, int] = defaultdict(int)
        for row in self.parts.journal.events.after(0, 100_000):
            found[row[3]] += 1
        return found
