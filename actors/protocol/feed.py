"""For those who show what happens: the work directory and the gateway."""

from typing import Any

from pydantic import Field

from actors.protocol.base import Model


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


class Mirror(Model):
    """Bring the files that people read up to date with what was just committed.

    Attributes:
        history: Lines of the event history, each a JSON object, oldest first.
        queues: For each agent that changed, the deliveries that wait for it.
        current: For each agent that changed, the subtask in hand (None: nothing).
        knowledge: The whole shared knowledge, if it changed.
    """

    history: tuple[bytes, ...] = ()
    queues: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    current: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    knowledge: list[dict[str, Any]] | None = None


class JournalRemoved(Model):
    """The journal's file isn't where it belongs, perhaps: look, and put it back."""


class MirrorAt(Model):
    """The history file ends with this event's number, and what was sent is written; the router sends what is missing.

    It answers each of these with one ``Mirror``, once there is something to show, and sends none unasked.
    """

    number: int
