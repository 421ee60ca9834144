"""The feed: what happens, for those who show it. Subscribers ask for pages; nothing is sent unasked.

Two hops. The router serves what is committed, a page at a time, to the work directory and to the feed's own actor. That
one numbers all facts, those that agents' sessions tell it too, and keeps them within a bound; everybody else reads
them there.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from actors.protocol.base import AgentName, Model, Text

# ---------------------------------------------------------------- router → gateway


class WritingPaused(Model):
    """The journal can't be written, so nothing is taken in; said again at each try.

    Attributes:
        reason: Why, in the words of the system.
        since: When that began, in seconds since the epoch.
    """

    reason: str
    since: float


class WritingResumed(Model):
    """The journal can be written."""


# ---------------------------------------------------------------- subscribers ↔ router


class FeedRequest(Model):
    """A subscriber asks for what follows; the router answers with one ``FeedPage``, once there is something.

    Attributes:
        subscriber: The name of the actor that asks.
        events: The number of the last event that it has.
        steps: The number of the last delivery step that it has; None: it wants none.
        states: It wants queues, subtasks in hand and knowledge, where they changed.
    """

    subscriber: str
    events: int
    steps: int | None = None
    states: bool = False


class FeedPage(Model):
    """What was committed since; a full page is followed by another as soon as that is asked for.

    A subscriber takes only a page that goes on from where it is: one that was under way when the subscriber crashed is
    sent again. A page may end before the number that it goes on from: then the journal is another one, and the
    subscriber goes on from there.

    Attributes:
        after_event: The number that was asked for.
        events: Lines of the event history, each a JSON object, oldest first.
        last_event: The number of the last of them, or of the last event that there is.
        after_step: The number of the step that was asked for.
        moves: Steps of deliveries, oldest first. Each is a JSON list of what one commit moved: of lists with when it
            happened, the delivery's id, agent, kind and subtask, its state, receipt, reason, attempts (null: unknown).
        last_step: The number of the last of them, or of the last step that there is.
        queues: For each agent that changed, the deliveries that wait for it.
        current: For each agent that changed, the subtask in hand (None: nothing).
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
    """The journal's file isn't where it belongs, perhaps: look, and put it back."""


FromSubscriber = FeedRequest | JournalRemoved
"""What subscribers tell the router."""

# ---------------------------------------------------------------- session → feed


class Said(Model):
    """The agent's words."""

    kind: Literal["said"] = "said"
    text: Text


class ToolUsed(Model):
    """The agent uses a tool; ``input`` is its short form."""

    kind: Literal["tool_used"] = "tool_used"
    tool: Text
    use_id: Text
    input: Text


class ToolReturned(Model):
    """What came of the use of a tool; ``result`` is its short form."""

    kind: Literal["tool_returned"] = "tool_returned"
    use_id: Text
    result: Text
    is_error: bool = False


class WentWrong(Model):
    """An error of the API's, or of claude's own."""

    kind: Literal["error"] = "error"
    text: Text


class Cost(Model):
    """What the conversation has cost so far, in US dollars, and the turns of its last process."""

    kind: Literal["cost"] = "cost"
    usd: float


Activity = Annotated[Said | ToolUsed | ToolReturned | WentWrong | Cost, Field(discriminator="kind")]
"""What an agent says and does."""


class AgentActive(Model):
    """An agent said or did something.

    Attributes:
        at: When, in seconds since the epoch.
        dropped: How many activities before these were dropped, because the feed could not keep up.
    """

    agent: AgentName
    at: float
    activities: tuple[Activity, ...]
    dropped: int = 0


# ---------------------------------------------------------------- feed → gateway

FactKind = Literal["event", "delivery", "said", "tool_used", "tool_returned", "error", "cost", "dropped"]
"""The kinds of facts that the feed keeps."""


class FeedGrew(Model):
    """There are more facts to read."""
