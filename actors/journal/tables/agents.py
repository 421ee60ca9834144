"""The table of agents."""

from collections.abc import Iterator
from typing import Any

from actors.journal.batching import Execute, Table


class Agents(Table):
    """The agents, their conversations, and their subtasks in hand."""

    def __init__(self, execute: Execute) -> None:
        super().__init__(execute)
        self._hands = self._gather(
            "UPDATE agents SET in_hand = value ->> 0, reminders = value ->> 1 FROM json_each(?) WHERE agent = key"
        )
        self._states = self._gather(
            "UPDATE agents SET state = value ->> 0, detail = value ->> 1, pid = value ->> 2, since = value ->> 3"
            " FROM json_each(?) WHERE agent = key"
        )
        self._costs = self._gather("UPDATE agents SET cost_usd = value FROM json_each(?) WHERE agent = key")

    def load(self) -> Iterator[tuple[Any, ...]]:
        """Yield (agent, session_id, began_at, state, in_hand, reminders) of each."""
        self.flush()
        columns = "agent, session_id, began_at, state, in_hand, reminders"
        yield from self._execute(f"SELECT {columns} FROM agents").fetchall()  # noqa: S608 - names

    def begin(self, agent: str, session_id: str, at: float) -> None:
        """Record that its conversation begins now: a new one, or an old one whose history is gone."""
        self._execute(
            "UPDATE agents SET session_id = ?, began_at = ? WHERE agent = ?", (session_id, at, agent)
        )

    def add(self, agent: str, session_id: str, at: float) -> None:
        """Add a new agent, with the conversation that it will lead."""
        self._execute(
            "INSERT INTO agents (agent, session_id, state, since) VALUES (?,?,'stopped',?)",
            (agent, session_id, at),
        )

    def set_hand(self, agent: str, in_hand: str | None, reminders: int) -> None:
        """Set its subtask in hand, and the number of unanswered reminders of that."""
        self._hands.rows[agent] = (in_hand, reminders)

    def set_state(self, agent: str, state: str, detail: str, pid: int | None, at: float) -> None:
        """Set the state of its session."""
        self._states.rows[agent] = (state, detail, pid, at)

    def set_cost(self, agent: str, cost_usd: float) -> None:
        """Set the cost of its session so far, by the session's own estimate."""
        self._costs.rows[agent] = cost_usd
