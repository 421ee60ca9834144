"""The table of shared knowledge."""

from typing import Any

from actors.journal.batching import Execute, Table, up_to


class Knowledge(Table):
    """The pieces of knowledge that agents share with all others."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._last = self._last_number("knowledge")

    def add(self, agent: str, topic: str, text: str, at: float) -> None:
        """Add a piece."""
        self._last += 1
        self._execute(
            "INSERT INTO knowledge (number, at, agent, topic, text) VALUES (?,?,?,?,?)",
            (self._last, at, agent, topic, text),
        )

    def latest(self, limit: int, size: int) -> list[dict[str, Any]]:
        """Return the newest pieces, oldest first: ``limit`` at most, and about ``size`` characters of text."""
        cursor = self._execute(
            "SELECT at, agent, topic, text FROM knowledge ORDER BY number DESC LIMIT ?", (limit,)
        )
        rows = list(up_to(size, cursor))
        return [dict(zip(("at", "agent", "topic", "text"), row, strict=True)) for row in reversed(rows)]
