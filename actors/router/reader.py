"""Reads the journal for people, beside the router that writes it; never writes."""

import sqlite3
from pathlib import Path
from typing import Any

import orjson

from actors.errors import ConfigurationError

Row = dict[str, Any]
DELIVERY = (
    "number, id, agent, kind, subtask_id, state, attempts, receipt, reason, queued_at, handed_at, written_at,"
    " accepted_at, started_at, completed_at, length(text) AS characters"
)


class JournalReader:
    """Questions that people ask of a journal, whether its coordinator runs or not.

    Raises:
        ConfigurationError: There is no journal that can be read.
    """

    def __init__(self, path: Path) -> None:
        if (
            not path.exists() or not path.stat().st_size
        ):  # SQLite would remove what lies beside an emptied one
            raise ConfigurationError(
                f"There is no journal in {path.parent}: no coordinator has run there yet."
            )
        try:
            self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            self._database.row_factory = sqlite3.Row
            self._database.execute("SELECT 1 FROM meta").fetchone()
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{path} can't be read: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def backend(self) -> str:
        """What was last known of the backend."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'backend'")
        return str(rows[0]["value"]) if rows else "unknown"

    def counts(self) -> Row:
        """How much there is of everything that people look for first."""
        return {
            "events": self._count("SELECT coalesce(max(number), 0) FROM events"),
            "rejected": self._count("SELECT coalesce(max(number), 0) FROM rejected"),
            "deliveries on their way": self._count(
                "SELECT count(*) FROM deliveries WHERE state NOT IN ('completed', 'dead')"
            ),
            "dead letters": len(self.dead_letters()),
            "publications waiting": self._count("SELECT count(*) FROM publications WHERE state = 'waiting'"),
        }

    def agents(self) -> list[Row]:
        """Each agent with its session's state and what it has in hand."""
        return self._rows(
            "SELECT agent, state, detail, pid, in_hand, session_id, cost_usd, since,"
            " (SELECT count(*) FROM deliveries d WHERE d.agent = a.agent"
            "  AND d.state NOT IN ('completed', 'dead')) AS waiting"
            " FROM agents a ORDER BY agent"
        )

    def nodes(self, *, closed: bool, limit: int) -> list[Row]:
        """Tasks and subtasks with what they wait for: the open ones, and where wanted closed ones too."""
        where = "" if closed else "WHERE status IN ('unknown', 'open')"
        rows = self._rows(
            f"SELECT id, status, document FROM nodes {where}"  # noqa: S608 - one of two texts
            " ORDER BY status IN ('unknown', 'open') DESC, id LIMIT ?",
            (limit,),
        )
        return [node | {"waits_for": self._waits_for(node)} for node in map(_node, rows)]

    def node(self, node_id: str) -> Row | None:
        """One task or subtask."""
        rows = self._rows("SELECT id, status, document FROM nodes WHERE id = ?", (node_id,))
        return _node(rows[0]) if rows else None

    def _waits_for(self, node: Row) -> list[str]:
        """Its upstreams that aren't completed, each with its state."""
        if node["state"] != "waiting":
            return []
        states = {upstream: self._state_of(upstream) for upstream in node.get("upstreams", ())}
        return [f"{upstream} ({state})" for upstream, state in states.items() if state != "completed"]

    def _state_of(self, node_id: str) -> str:
        node = self.node(node_id)
        return str(node["state"]) if node else "unknown"

    def deliveries(self, *, agent: str | None = None, state: str | None = None, limit: int = 20) -> list[Row]:
        """The newest deliveries, oldest of them first, without their text."""
        rows = self._rows(
            f"SELECT {DELIVERY} FROM deliveries"  # noqa: S608 - our own words
            " WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR state = ?2)"
            " ORDER BY number DESC LIMIT ?3",
            (agent, state, limit),
        )
        return rows[::-1]

    def dead_letters(self) -> list[Row]:
        """Deliveries that went to a session and didn't arrive, oldest first, until they are retried or dropped."""
        return self._rows(
            f"SELECT {DELIVERY} FROM deliveries"  # noqa: S608 - our own words
            " WHERE state = 'dead' AND handed_at IS NOT NULL AND dropped_at IS NULL ORDER BY number"
        )

    def delivery(self, beginning: str) -> Row | None:
        """The delivery whose id begins so, with its text; None if there is none, or more than one."""
        rows = self._rows(
            f"SELECT {DELIVERY}, text FROM deliveries WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2",  # noqa: S608
            (beginning,),
        )
        return rows[0] if len(rows) == 1 else None

    def rejected(self, *, limit: int = 20) -> list[Row]:
        """The newest of what couldn't be used, oldest of them first, without its bytes."""
        rows = self._rows(
            "SELECT number, at, origin, size, reason FROM rejected ORDER BY number DESC LIMIT ?", (limit,)
        )
        return rows[::-1]

    def rejection(self, number: int) -> Row | None:
        """One piece of input that couldn't be used, with its beginning as ``raw``; None if there is none."""
        rows = self._rows(
            "SELECT number, at, origin, size, reason, raw FROM rejected WHERE number = ?", (number,)
        )
        return rows[0] | {"raw": rows[0]["raw"].decode(errors="replace")} if rows else None

    def events(self, *, limit: int = 20, subject: str | None = None) -> list[Row]:
        """The newest events, oldest of them first."""
        rows = self._rows(
            "SELECT number, at, source, kind, subject, agent, document FROM events"
            " WHERE (?1 IS NULL OR subject = ?1) ORDER BY number DESC LIMIT ?2",
            (subject, limit),
        )
        return [row | {"document": orjson.loads(row["document"])} for row in rows[::-1]]

    def _rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        return [dict(row) for row in self._database.execute(statement, values)]

    def _count(self, statement: str) -> int:
        return int(self._database.execute(statement).fetchone()[0])


def _node(row: Row) -> Row:
    document = orjson.loads(row["document"])
    return {"id": row["id"], "status": row["status"], "state": _state(row["status"], document), **document}


def _state(status: str, document: Row) -> str:
    """The same word as ``Node.state``."""
    if status != "open":
        return status
    if document.get("hold"):
        return "unfinished" if document["hold"] == "unfinished" else "blocked"
    if document.get("started"):
        return "working"
    return "ready" if document.get("released") else "waiting"
