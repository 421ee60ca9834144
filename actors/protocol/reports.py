"""Reports and requests from agents and people to the router, and its answers.

The router answers by setting the report's ``reply``, after the journal's commit.
"""

from concurrent.futures import Future
from typing import Any

from actors.protocol.base import AgentName, Model, Text
from actors.protocol.names import Source, Way
from actors.protocol.node_ids import NodeId


class Completion(Model):
    """The result of a subtask."""

    summary: Text = ""
    insights: tuple[Text, ...] = ()
    files: tuple[Text, ...] = ()


class Answer(Model):
    """The router's answer to a report or request.

    Attributes:
        ok: True if it was accepted.
        text: The outcome, in words that a model or a person can act on.
        data: Structured data, if the request asks for some.
    """

    ok: bool
    text: Text
    data: dict[str, Any] | None = None


Reply = Future[Answer]


class Report(Model):
    """The base of all reports and requests; ``reply`` is set after the commit."""

    reply: Reply | None = None


class SubtaskReport(Report):
    """The base of the reports on how a subtask ended.

    Attributes:
        agent: The agent that reports; None: a person or a program, by a file.
        way: The channel.
        subtask_id: The subtask; None: the one that the agent has in hand.
        written_at: The time at which its file was last changed, in seconds since the epoch; None if it has no file.
    """

    agent: AgentName | None
    way: Way
    subtask_id: NodeId | None = None
    written_at: float | None = None


class ReportCompletion(SubtaskReport):
    """A report that a subtask is completed."""

    completion: Completion


class ReportBlocked(SubtaskReport):
    """A report that a subtask is blocked."""

    reason: Text


class SendMessage(Report):
    """A message for an agent, from another agent or a person."""

    agent: AgentName
    text: Text
    sender: Text
    source: Source


class ShareKnowledge(Report):
    """A piece of knowledge for all agents."""

    agent: AgentName
    topic: Text
    text: Text


class DescribeSubtask(Report):
    """A query for the subtask that an agent has in hand; the answer's data is that, with the upstream results."""

    agent: AgentName


class StartSession(Report):
    """A request to start an agent's session, even if sessions don't start automatically."""

    agent: AgentName


class RestartSession(Report):
    """A request to restart an agent's process, with its prompt and permissions as they are now.

    Attributes:
        new_conversation: Begin a new conversation, in which the subtask in hand is given again.
    """

    agent: AgentName
    new_conversation: bool = False


class RetryDelivery(Report):
    """A request to queue a dead letter again."""

    delivery_id: str


class RetrySubtask(Report):
    """A request to resume a held subtask."""

    subtask_id: NodeId


class DropDelivery(Report):
    """A request to drop a dead letter."""

    delivery_id: str


class RetryBackend(Report):
    """A request to connect to the backend at once, even if connecting was given up."""


AnyReport = (
    ReportCompletion
    | ReportBlocked
    | SendMessage
    | ShareKnowledge
    | DescribeSubtask
    | StartSession
    | RestartSession
    | RetryDelivery
    | RetrySubtask
    | DropDelivery
    | RetryBackend
)
"""All reports and requests."""
