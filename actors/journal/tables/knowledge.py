"""The table of shared knowledge."""

from typing import Any

from actors.journal.batching import Execute, Table, up_to


class Knowledge(Table):
    """What agents share with all others."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._last = self._last_number("knowledge")

    def add(self, agent: str, topic: str, text: str, at: float) -> None:
        """Keep a piece of it."""
        self._last += 1
        self._execute(
            "INSERT INTO knowledge (number, at, agent, topic, text) VALUES (?,?,?,?,?)",
            (self._last, at, agent, topic, text),
        )

    def latest(self, limit: int, size: int) -> list[dict[str, Any]]:
        """The newest pieces, oldest first: so many at most, and no more once their texts exceed ``size`` characters."""
        cursor = self._execute(
            "SELECT at, agent, topic, text FROM knowledge ORDER BY number DESC LIMIT ?", (limit,)
        )
        rows = list(up_to(size, cursor))
        return [dict(zip(("at", "agent", "topic", "text"), row, strict=True)) for row in reversed(rows)]
