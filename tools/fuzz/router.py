"""The router without its actor: all that fuzzing needs to know of its parts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from actors.protocol.feed import FeedPage
from actors.protocol.names import session_name
from actors.router import ContextBuilder, RouterParts, RouterSettings
from supervisors import Actor, ChildSpec, System

LIMIT = 6000
"""The longest context in bytes: short, so that many go into a file."""


class Router:
    """The router's parts, driven by calls: what it is told it handles at once.

    Args:
        journal: The journal's file.
        clock: Tells the time.
        write: Takes the files of long contexts.
    """

    def __init__(
        self, journal: Path, clock: Callable[[], float], write: Callable[[Path, bytes], None]
    ) -> None:
        directory = journal.parent
        settings = RouterSettings(
            journal=journal,
            context=ContextBuilder(
                directory / "context", LIMIT, lambda each: directory / f"task_result_{each}.json", write
            ),
            session=lambda agent: ChildSpec(name=session_name(agent), start=Actor),
            read_result=lambda _: None,
            queue_size=10,
        )
        self._post: list[Any] = []
        self._parts = RouterParts(settings, clock)
        self._parts.desk.start()

    def handle(self, message: object) -> None:
        """Handle a message."""
        self._parts.desk.handle(message)

    def commit(self) -> list[Any]:
        """Commit what was handled; the messages that it sends then, in order."""
        self._parts.desk.commit()
        self._parts.outgoing.flush(cast("System", _Post(self._post)))
        post, self._post[:] = self._post[:], []
        return post

    def page(self, after: int) -> FeedPage:
        """Gather what the files for people need of the events after this number."""
        self._parts.mirrors.ask(after)
        return self._parts.mirrors.gather()

    def close(self) -> None:
        """Close the journal, as a router does that dies."""
        self._parts.journal.close()

    @property
    def is_damaged(self) -> bool:
        """Whether the journal was taken to be damaged."""
        return self._parts.journal.loss is not None

    def state(self) -> dict[str, dict[str, Any]]:
        """Describe where it goes on from: its open nodes and its lanes."""
        nodes = self._parts.graph.open
        lanes = self._parts.dispatch.lanes
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


class _Post:
    """Takes the place of a system of actors: keeps what each is told."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def handle(self, _name: str) -> "_Address":
        return _Address(self._kept.append)


class _Address:
    def __init__(self, tell: Callable[[object], None]) -> None:
        self.tell = tell
