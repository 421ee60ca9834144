"""Reports and requests of agents and people to the router, and its answers.

The router sets a report's ``reply`` after the journal's commit.
"""

from concurrent.futures import Future
from typing import Any

from actors.protocol.base import AgentName, Model, NodeId, Text
from actors.protocol.names import Source, Way


class Completion(Model):
    """What came of a subtask."""

    summary: Text = ""
    insights: tuple[Text, ...] = ()
    files: tuple[Text, ...] = ()


class Answer(Model):
    """What the router says to a report or a question.

    Attributes:
        ok: Whether it was taken.
        text: What happened, in words that a model or a person can act on.
        data: More, where the question asked for it.
    """

    ok: bool
    text: Text
    data: dict[str, Any] | None = None


Reply = Future[Answer]


class Report(Model):
    """Something that an agent or a person reports or asks; ``reply`` is set after the commit."""

    reply: Reply | None = None


class ReportCompletion(Report):
    """A subtask is done. Without ``subtask_id`` it is the one that the agent has in hand."""

    agent: AgentName | None
    way: Way
    completion: Completion
    subtask_id: NodeId | None = None


class ReportBlocked(Report):
    """An agent cannot go on."""

    agent: AgentName | None
    way: Way
    reason: Text
    subtask_id: NodeId | None = None


class SendMessage(Report):
    """Words for an agent, from another agent or from a person."""

    agent: AgentName
    text: Text
    sender: Text
    source: Source


class ShareKnowledge(Report):
    """Something that all agents should know."""

    agent: AgentName
    topic: Text
    text: Text


class DescribeSubtask(Report):
    """What does this agent have in hand? The answer's data holds it, with the upstream results."""

    agent: AgentName


class StartSession(Report):
    """Start the session of this agent, also where sessions don't start by themselves."""

    agent: AgentName


class RetryDelivery(Report):
    """Try a dead letter once more."""

    delivery_id: str


class RetrySubtask(Report):
    """What held this subtask was taken care of: it is to go on."""

    subtask_id: NodeId


class DropDelivery(Report):
    """A dead letter was looked at, and is to be forgotten."""

    delivery_id: str


class RetryBackend(Report):
    """Try at once to connect to the backend, also where it was given up."""


AnyReport = (
    ReportCompletion
    | ReportBlocked
    | SendMessage
    | ShareKnowledge
    | DescribeSubtask
    | StartSession
    | RetryDelivery
    | RetrySubtask
    | DropDelivery
    | RetryBackend
)
"""What agents and people report and ask."""
