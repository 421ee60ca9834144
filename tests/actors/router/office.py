"""The router's plain classes with nothing around them: what it is told, and what it says after each commit."""

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
    """A host of sessions that keeps what it is told.

    Args:
        told: Where: (session's name, message), and (``SESSIONS``, address) for a session that is to run.
    """

    def __init__(self, told: list[tuple[str, Any]]) -> None:
        self._told = told

    def ensure(self, session: SessionAddress) -> None:
        """Keep that it is to run."""
        self._told.append((SESSIONS, session))

    def tell(self, session: SessionAddress, message: ToSession) -> None:
        """Keep the message."""
        self._told.append((session.name, message))


class Office:
    """A desk, a clock that goes on by a second at each message, and agents that do as they are told.

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
            read_result=self.results.get,
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
        """Die after the last commit, and start again."""
        self.parts.journal.close()
        self.open()

    def close(self) -> None:
        """End."""
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
        """``subtask.created``."""
        assignees = values.pop("assignees", (agent,) if agent else ())
        event = NodeCreated(
            entity=values.pop("entity", "subtask"), id=node_id, title=values.pop("title", f"Title of {node_id}"),
            assignees=assignees, dependencies=upstreams, **values,
        )  # fmt: skip
        self.tell(EventReceived(event=event))

    def update(self, node_id: str, **values: Any) -> None:
        """``subtask.updated``."""
        self.tell(EventReceived(event=NodeUpdated(entity="subtask", id=node_id, **values)))

    def complete(self, node_id: str, summary: str = "", **values: Any) -> None:
        """``subtask.completed``, from the backend."""
        event = NodeCompleted(
            entity="subtask", id=node_id, summary=summary or f"Summary of {node_id}", **values
        )
        self.tell(EventReceived(event=event))

    def message(self, agent: str, text: str, **values: Any) -> None:
        """``agent.message``."""
        self.tell(EventReceived(event=AgentMessage(agent=agent, text=text, **values)))

    def backend_opens(self) -> None:
        """The way to a backend that acknowledges is open."""
        self.tell(BackendOpened(instance="backend", acks=True))

    # ------------------------------------------------------------ agents

    def up(self, *agents: str) -> None:
        """The agents' sessions live."""
        for agent in agents:
            self.tell(SessionReady(agent=agent), SessionChanged(agent=agent, state=SessionState.READY))

    def receive(self, agent: str, delivery: Delivery, *states: DeliveryState) -> None:
        """The session acknowledges a delivery as far as ``states`` go."""
        steps = tuple(
            DeliveryStep(delivery_id=delivery.id, state=state, receipt="lifecycle") for state in states
        )
        self.tell(Progressed(agent=agent, steps=steps))

    def end_turn(self, agent: str, **values: Any) -> None:
        """Everything that the agent was given is read, and its turn is over."""
        for delivery in list(self.parts.lanes.by_agent[agent].outstanding.values()):
            self.receive(agent, delivery, DeliveryState.STARTED, DeliveryState.COMPLETED)
        self.tell(TurnEnded(agent=agent, **values))

    def report(self, agent: str, summary: str = "done", **values: Any) -> Answer:
        """The agent calls ``complete_subtask``."""
        completion = Completion(summary=summary, **values)
        return self.ask(ReportCompletion, agent=agent, way="gateway", completion=completion)

    # ------------------------------------------------------------ looking

    def delivered(self, agent: str | None = None) -> list[Delivery]:
        """What was given to sessions, each once, oldest first."""
        found = {
            message.delivery.id: message.delivery
            for name, message in self.told
            if isinstance(message, Deliver) and (agent is None or name == session_name(agent))
        }
        return list(found.values())

    def kinds(self, agent: str) -> list[str]:
        """Kind and subtask of what the agent was given."""
        return [f"{each.kind.value} {each.subtask_id or ''}".strip() for each in self.delivered(agent)]

    def started(self) -> list[str]:
        """The session actors that were started."""
        return [message.name for _, message in self.told if isinstance(message, SessionAddress)]

    def published(self) -> list[Publish]:
        """What went to the backend."""
        return [message for _, message in self.told if isinstance(message, Publish)]

    def node(self, node_id: str) -> Node:
        """A node."""
        node = self.parts.graph.get(node_id)
        assert node is not None
        return node

    def history(self) -> dict[str, int]:
        """How often each kind of event is in the history."""
        found: dict[str, int] = defaultdict(int)
        for row in self.parts.journal.events.after(0, 100_000):
            found[row[3]] += 1
        return found
