"""Messages of the feed: everything that happens, for files, clients and dashboards.

Subscribers ask for pages; nothing is sent unasked. The router serves committed events and delivery steps, a page at a
time, to two subscribers: the work directory, and the feed's actor. The feed's actor also takes what agents say and do
from their sessions, numbers all of it as facts, and keeps them within a bound. Everybody else reads the facts there.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from actors.protocol.base import AgentName, Model, Text

# ---------------------------------------------------------------- router → gateway


class WritingPaused(Model):
    """Notice that the journal can't be written, so nothing is accepted; sent after each failed attempt.

    Attributes:
        reason: The system's error message.
        since: The time of the first failure, in seconds since the epoch.
    """

    reason: str
    since: float


class WritingResumed(Model):
    """Notice that the journal can be written."""


# ---------------------------------------------------------------- subscribers ↔ router


class FeedRequest(Model):
    """A subscriber's request for the next page; the router answers with one ``FeedPage``, once there is news.

    Attributes:
        subscriber: The name of the actor that asks.
        events: The number of the last event that it has.
        steps: The number of the last delivery step that it has; None: it wants no steps.
        states: True if it wants changed queues, subtasks in hand and knowledge too.
    """

    subscriber: str
    events: int
    steps: int | None = None
    states: bool = False


class FeedPage(Model):
    """Committed events, delivery steps and states after those that a subscriber has.

    A subscriber ignores a page that doesn't begin where its own data ends: one that was in flight when the subscriber
    crashed is sent again. A page may end before the number that it begins after: then the journal was replaced by a
    shorter one, and the subscriber goes on from the page's end. After a full page the next is sent at once when asked.

    Attributes:
        after_event: The number of the event that the page begins after, as requested.
        events: Lines of the event history, each a JSON object, oldest first.
        last_event: The number of the last of them, or of the last event in the journal.
        after_step: The number of the step that the page begins after, as requested.
        moves: Steps of deliveries, oldest first. Each item is a JSON list with the steps of one commit: lists of when
            it happened, the delivery's id, agent, kind, subtask, its state, receipt, reason, attempts (null: unknown).
        last_step: The number of the last of them, or of the last step in the journal.
        queues: The open deliveries of each agent that changed.
        current: The subtask in hand of each agent that changed (None: nothing).
        knowledge: The whole shared knowledge, if it changed.
    """

    after_event: int = 0
    events: tuple[bytes, ...] = ()
    last_event: int = 0
    after_step: int = 0
    moves: tuple[bytes, ...] = ()
    last_step: int = 0
    queues: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    current: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    knowledge: list[dict[str, Any]] | None = None


class JournalRemoved(Model):
    """Notice that the journal's file may have been removed: the router checks, and puts it back."""


FromSubscriber = FeedRequest | JournalRemoved
"""The messages from subscribers to the router."""

# ---------------------------------------------------------------- session → feed


class Said(Model):
    """Text that the agent wrote."""

    kind: Literal["said"] = "said"
    text: Text


class ToolUsed(Model):
    """A tool call by the agent; ``input`` is shortened."""

    kind: Literal["tool_used"] = "tool_used"
    tool: Text
    use_id: Text
    input: Text


class ToolReturned(Model):
    """The outcome of a tool call; ``result`` is shortened."""

    kind: Literal["tool_returned"] = "tool_returned"
    use_id: Text
    result: Text
    is_error: bool = False


class WentWrong(Model):
    """An error of the API or of claude."""

    kind: Literal["error"] = "error"
    text: Text


class Cost(Model):
    """The cost of the conversation so far, in US dollars, and of the turns of its last process."""

    kind: Literal["cost"] = "cost"
    usd: float


Activity = Annotated[Said | ToolUsed | ToolReturned | WentWrong | Cost, Field(discriminator="kind")]
"""Something that an agent says or does."""


class AgentActive(Model):
    """Activities of an agent, in order.

    Attributes:
        at: The time, in seconds since the epoch.
        dropped: The number of activities before these that were dropped, because the feed could not keep up.
    """

    agent: AgentName
    at: float
    activities: tuple[Activity, ...]
    dropped: int = 0


# ---------------------------------------------------------------- feed → gateway

FactKind = Literal["event", "delivery", "said", "tool_used", "tool_returned", "error", "cost", "dropped"]
"""The kinds of facts that the feed keeps."""


class FeedGrew(Model):
    """Notice that there are more facts to read."""
