"""The router's parts without its actor, for fuzzing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.protocol.feed import FeedPage, FeedRequest
from actors.protocol.names import WORKDIR, SessionAddress
from actors.protocol.router import ToSession
from actors.router import ContextBuilder, RouterParts, RouterSettings
from actors.router.handlers import Work

LIMIT = 6000
"""The longest context in bytes; short, so that many go into a file."""


class BareRouter:
    """The router's parts, driven by calls. It handles each message at once.

    Args:
        journal: The journal's file.
        clock: Returns the time.
    """

    def __init__(self, journal: Path, clock: Callable[[], float]) -> None:
        self._post: list[Any] = []
        self._host = _Host(self._post)
        settings = RouterSettings(
            journal=journal,
            context=ContextBuilder(LIMIT),
            host=lambda _: self._host,
            read_result=lambda _agent, _subtask_id: None,
            queue_size=10,
        )
        self._parts = RouterParts(settings, clock)
        self._parts.start()

    def handle(self, message: Work) -> None:
        """Handle a message."""
        self._parts.handle(message)

    def commit(self) -> list[Any]:
        """Commit the handled messages, and return the resulting messages in order."""
        self._parts.commit()
        self._parts.outgoing.flush(lambda _name, message: self._post.append(message), self._host)
        post, self._post[:] = self._post[:], []
        return post

    def pages(self, after: int) -> list[FeedPage]:
        """Return what the files for people need of the events after this number."""
        self._parts.feed.ask(FeedRequest(subscriber=WORKDIR, events=after, states=True))
        return [page for _, page in self._parts.feed.pages()]

    def close(self) -> None:
        """Close the journal, as a dying router does."""
        self._parts.journal.close()

    @property
    def is_damaged(self) -> bool:
        """True if the journal was considered damaged."""
        return self._parts.journal.loss is not None

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the state to continue from: the open nodes and the lanes."""
        nodes = self._parts.graph.open
        lanes = self._parts.lanes.by_agent
        return {
            "node": {
                each.id: (
                    each.status,
                    each.state,
                    each.reason,
                    sorted(each.pending),
                    sorted(each.dependents & nodes.keys()),
                )
                for each in nodes.values()
                if each.dependents & nodes.keys() or each.status != "unknown" or each.title
            },
            "lane": {
                each.agent: (each.in_hand, each.reminders, list(each.outstanding)) for each in lanes.values()
            },
        }


class _Host:
    """A session host that records each session's messages, and which sessions should run."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def ensure(self, session: SessionAddress) -> None:
        self._kept.append(session)

    def tell(self, _session: SessionAddress, message: ToSession) -> None:
        self._kept.append(message)
