"""The publisher: sends our own events from the journal's outbox to the backend."""

from typing import Any

from actors.graph.node import Node
from actors.journal.journal import Journal
from actors.lib.failpoints import failpoint
from actors.protocol.backend import Publish
from actors.protocol.events import NodeCompleted
from actors.protocol.names import CONNECTION
from actors.router.outgoing import Outgoing

WINDOW = 100
"""The most publications in flight."""


class Publisher:
    """The sender of publications, in order and under the same keys, whenever the backend is connected.

    What must hold: a publication is in the journal before it is sent, and waits there until it is resolved. So none is
    lost; one may be sent twice, and the backend recognises it by its key.
    """

    def __init__(self, journal: Journal, outgoing: Outgoing) -> None:
        self._journal = journal
        self._outgoing = outgoing
        self._is_open = False
        self._last = 0
        self._in_flight: set[str] = set()
        self._is_behind = True

    def add(self, key: str, event_type: str, payload: dict[str, Any]) -> None:
        """Queue an event, and send it now if the backend is connected and nothing older waits."""
        publication = Publish(key=key, event_type=event_type, payload=payload)
        number = self._journal.outbox.add(publication)
        if self._is_open and not self._is_behind and len(self._in_flight) < WINDOW:
            self._send(number, publication)
        else:
            self._is_behind = True

    def opened(self) -> None:
        """Send all publications that wait, from the oldest, now that the backend is connected."""
        self._is_open, self._is_behind, self._last = True, True, 0
        self._in_flight.clear()
        self._catch_up()

    def closed(self) -> None:
        """Stop sending, since the backend is disconnected."""
        self._is_open = False

    def resolve(self, key: str, state: str, reason: str | None = None) -> None:
        """Record the end of a publication, and send more if nothing is in flight.

        Args:
            key: The publication's key.
            state: ``published`` (acknowledged), ``sent`` (written, without acknowledgement) or ``refused``.
            reason: The backend's reason for refusing.
        """
        failpoint("router.ack.before")
        self._journal.outbox.resolve(key, state, reason)
        failpoint("router.ack.after")
        self._in_flight.discard(key)
        if self._is_open and self._is_behind and not self._in_flight:
            self._catch_up()

    def _catch_up(self) -> None:
        waiting = self._journal.outbox.waiting(WINDOW, self._last)
        self._is_behind = len(waiting) == WINDOW
        for number, publication in waiting:
            self._send(number, publication)

    def _send(self, number: int, publication: Publish) -> None:
        self._last = number
        self._in_flight.add(publication.key)
        self._outgoing.tell(CONNECTION, publication)


def completed_payload(event: NodeCompleted, node: Node | None) -> dict[str, Any]:
    """Return the payload of ``subtask.completed`` or ``task.completed``, in the design dialect."""
    return {
        "id": event.id,
        "task_id": node.parent if node else None,
        "title": node.title if node else None,
        "completion_summary": event.summary,
        "insights_found": list(event.insights),
        "files_modified": list(event.files),
        "completed_by": event.by,
    }


def blocked_payload(agent: str, subtask_id: str | None, reason: str) -> dict[str, Any]:
    """Return the payload of ``agent.blocked``, in the design dialect."""
    return {"agent": agent, "subtask_id": subtask_id, "reason": reason}
