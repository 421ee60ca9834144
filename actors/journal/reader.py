"""Reads the journal for people, beside the router that writes it; never writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from actors.lib.errors import ConfigurationError
from actors.workdir import WorkDir, find_holder

Row = dict[str, Any]
DELIVERY = (
    "number, id, agent, kind, subtask_id, state, attempts, receipt, reason, queued_at, handed_at, written_at,"
    " accepted_at, started_at, completed_at, length(text) AS characters"
)


class JournalReader:
    """Questions that people ask of a journal, whether its coordinator runs or not.

    Raises:
        ConfigurationError: There is no journal that can be read; each of the questions raises it, too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if (
            not path.exists() or not path.stat().st_size
        ):  # SQLite would remove what lies beside an emptied one
            raise ConfigurationError(_absence(WorkDir(path.parent)))
        with self._named_errors():
            self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._database.row_factory = sqlite3.Row
        try:
            self._rows("SELECT 1 FROM meta")
        except ConfigurationError:
            self.close()
            raise

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
            "last event": self._count("SELECT coalesce(max(number), 0) FROM events"),
            "rejected": self._count("SELECT count(*) FROM rejected"),
            "deliveries on their way": self._count(
                "SELECT count(*) FROM deliveries WHERE state NOT IN ('completed', 'dead')"
            ),
            "dead letters": len(self.dead_letters()),
            "publications waiting": self._count("SELECT count(*) FROM publications WHERE state = 'waiting'"),
            "publications refused": self._count("SELECT count(*) FROM publications WHERE state = 'refused'"),
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

    def delivery(self, beginning: str) -> Row:
        """The one delivery whose id begins so, with its text.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        rows = self._rows(
            f"SELECT {DELIVERY}, text FROM deliveries"  # noqa: S608 - our own words
            " WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2",
            (beginning,),
        )
        return _only(rows, beginning, "delivery")

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
        return rows[::-1]

    def subject(self, beginning: str) -> str:
        """The id of the one task or subtask, or other subject of an event, that begins so.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        found = self._rows(
            "SELECT id FROM nodes WHERE substr(id, 1, length(?1)) = ?1"
            " UNION SELECT subject FROM events WHERE substr(subject, 1, length(?1)) = ?1 ORDER BY 1 LIMIT 2",
            (beginning,),
        )
        return str(_only(found, beginning, "task or subtask")["id"])

    def _rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        with self._named_errors():
            return [_read(row) for row in self._database.execute(statement, values)]

    def _count(self, statement: str) -> int:
        (row,) = self._rows(statement)
        return sum(row.values())

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Tell a file that is damaged from one that can't be read now."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError) as error:
            # A text that is none is an OperationalError too, but one of Python's own, without SQLite's code.
            if isinstance(error, sqlite3.OperationalError) and hasattr(error, "sqlite_errorcode"):
                raise ConfigurationError(f"{self._path} can't be read: {error}") from error
            raise ConfigurationError(
                f"{self._path} is damaged ({error}); the next start of the coordinator sets it aside and keeps"
                " what can be read."
            ) from error


def _absence(workdir: WorkDir) -> str:
    """What it means that there is no journal."""
    if workdir.history.exists():
        return (
            f"The journal of {workdir.path} is gone, although a coordinator has run there; the next start begins a"
            " new one, and asks the backend for what is missing."
        )
    if running := find_holder(workdir.lock_file):
        return (
            f"There is no journal in {workdir.path}, although a coordinator runs there (pid {running.pid}): it has"
            " only just begun, or the journal was removed."
        )
    return f"There is no journal in {workdir.path}: no coordinator has run there yet."


def _only(rows: list[Row], beginning: str, what: str) -> Row:
    """The one that is meant; ``rows`` are the first two whose ids begin so, in order.

    Raises:
        ConfigurationError: There is none, or more than one.
    """
    if not beginning:
        raise ConfigurationError(f"Which {what}? Give its id, or the beginning of it.")
    if not rows:
        raise ConfigurationError(f"There is no {what} whose id begins with {beginning!r}.")
    if len(rows) > 1 and rows[0]["id"] != beginning:  # one that is named whole comes first
        raise ConfigurationError(
            f"More than one {what} has an id that begins with {beginning!r}; give more of it."
        )
    return rows[0]


def _read(row: sqlite3.Row) -> Row:
    """One row, with its document read.

    Raises:
        ValueError: It holds none.
    """
    found = dict(row)
    if "document" in found:
        found["document"] = document = orjson.loads(found["document"])
        if not isinstance(document, dict):
            raise ValueError("a document that is none")
    return found


def _node(row: Row) -> Row:
    document = row["document"]
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
