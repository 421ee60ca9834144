"""A read-only view of the journal for people, usable while the router writes it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson

from actors.graph.node import state_word
from actors.journal.conditions import (
    BEGINS,
    CANDIDATES,
    DEAD_LETTER,
    DELIVERY_OPEN,
    NODE_OPEN,
    PUBLICATION_REFUSED,
    PUBLICATION_WAITING,
)
from actors.journal.migrations import read_as_newest
from actors.journal.tables.events import REPEATED
from actors.lib.errors import ConfigurationError, NotFound
from actors.protocol.node_ids import spellings

Row = dict[str, Any]
DELIVERY = (
    "number, id, agent, kind, subtask_id, state, attempts, receipt, reason, queued_at, handed_at, written_at,"
    " accepted_at, started_at, completed_at, length(text) AS characters"
)

REJECTED = (
    "SELECT rejected.*, 1 + coalesce(CAST(meta.value AS INTEGER), 0) AS count FROM rejected"  # noqa: S608 - our own words
    f" LEFT JOIN meta ON meta.name = '{REPEATED}' || rejected.number"
)
"""Rejected inputs, each with the number of those of its kind."""


Kind = Literal["task or subtask", "subject", "delivery", "dead letter"]
"""What has an id; a ``subject`` is a task or subtask too, be it one that only the history knows."""
IDS: dict[Kind, str] = {
    "task or subtask": "SELECT id FROM nodes",
    "subject": "SELECT id FROM (SELECT id FROM nodes UNION SELECT subject FROM events WHERE subject IS NOT NULL)",
    "delivery": "SELECT id FROM deliveries",
    "dead letter": f"SELECT id FROM (SELECT id FROM deliveries WHERE {DEAD_LETTER})",  # noqa: S608 - our own words
}


class NoJournal(ConfigurationError):  # noqa: N818 - it says what is the case, not what went wrong
    """A missing or empty journal."""


class JournalReader:
    """Queries of a journal, whether its coordinator runs or not.

    Args:
        path: The journal's file, of the newest version or an older one.

    Raises:
        NoJournal: There is none.
        ConfigurationError: It can't be read; each of the queries raises it, too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if (
            not path.exists() or not path.stat().st_size
        ):  # SQLite would remove the companions of an emptied one
            raise NoJournal(f"There is no journal {path}.")
        with self._named_errors():
            self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._database.row_factory = sqlite3.Row
        try:
            self._rows("SELECT 1 FROM meta")
            with self._named_errors():
                read_as_newest(self._database)
        except ConfigurationError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def backend(self) -> str:
        """Return the last known state of the connection to the backend."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'backend'")
        return str(rows[0]["value"]) if rows else "unknown"

    def claude(self) -> str:
        """Return the version of claude that agents ran last; empty if none has run."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'claude_version'")
        return str(rows[0]["value"]) if rows else ""

    def counts(self) -> Row:
        """Return the counts that the overview begins with, by name."""
        return {
            "last event": self._count("SELECT coalesce(max(number), 0) FROM events"),
            "rejected": self._count(f"SELECT coalesce(sum(count), 0) FROM ({REJECTED})"),  # noqa: S608 - our own words
            "deliveries on their way": self._count(
                f"SELECT count(*) FROM deliveries WHERE {DELIVERY_OPEN}"  # noqa: S608 - our own words
            ),
            "dead letters": len(self.dead_letters()),
            "publications waiting": self._count(
                f"SELECT count(*) FROM publications WHERE {PUBLICATION_WAITING}"  # noqa: S608 - our own words
            ),
            "publications refused": self._count(
                f"SELECT count(*) FROM publications WHERE {PUBLICATION_REFUSED}"  # noqa: S608 - our own words
            ),
        }

    def agents(self) -> list[Row]:
        """Return each agent with its session's state and its subtask in hand."""
        return self._rows(
            "SELECT agent, state, detail, pid, in_hand, session_id, cost_usd, since,"  # noqa: S608 - our own words
            " coalesce(waiting, 0) AS waiting"
            " FROM agents LEFT JOIN (SELECT agent, count(*) AS waiting FROM deliveries"
            f" WHERE {DELIVERY_OPEN} GROUP BY agent) USING (agent) ORDER BY agent"
        )

    def nodes(self, *, closed: bool, limit: int) -> list[Row]:
        """Return the open tasks and subtasks with what they wait for, then closed ones if ``closed``."""
        where = "" if closed else f"WHERE {NODE_OPEN}"
        rows = self._rows(
            f"SELECT id, status, document FROM nodes {where}"  # noqa: S608 - one of two texts
            f" ORDER BY {NODE_OPEN} DESC, id LIMIT ?",
            (limit,),
        )
        parts = self._parts()
        return [
            node
            | {"waits_for": self._waits_for(node)}
            | ({"parts": parts[node["id"]]} if node["id"] in parts else {})
            for node in map(_node, rows)
        ]

    def node(self, node_id: str) -> Row | None:
        """Return one task or subtask, or None."""
        rows = self._rows("SELECT id, status, document FROM nodes WHERE id = ?", (node_id,))
        return _node(rows[0]) if rows else None

    def _parts(self) -> dict[str, Row]:
        """Return the number of all and of the open subtasks of each open task that has any."""
        rows = self._rows(
            f"SELECT task.id, count(*) AS 'all', sum({NODE_OPEN.replace('status', 'part.status')}) AS open"  # noqa: S608 - our own words
            " FROM (SELECT json_extract(CAST(document AS TEXT), '$.parent') AS parent, status FROM nodes) AS part"
            f" JOIN (SELECT id FROM nodes WHERE {NODE_OPEN}) AS task ON task.id = part.parent GROUP BY task.id"
        )
        return {row["id"]: {"all": row["all"], "open": row["open"]} for row in rows}

    def _waits_for(self, node: Row) -> list[str]:
        """Return its upstreams that aren't completed, each with its state."""
        if node["state"] != "waiting":
            return []
        states = {upstream: self._state_of(upstream) for upstream in node.get("upstreams", ())}
        return [f"{upstream} ({state})" for upstream, state in states.items() if state != "completed"]

    def _state_of(self, node_id: str) -> str:
        node = self.node(node_id)
        return str(node["state"]) if node else "unknown"

    def deliveries(self, *, agent: str | None = None, state: str | None = None, limit: int = 20) -> list[Row]:
        """Return the newest deliveries, the oldest of them first, without their text."""
        rows = self._rows(
            f"SELECT {DELIVERY} FROM deliveries"  # noqa: S608 - our own words
            " WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR state = ?2)"
            " ORDER BY number DESC LIMIT ?3",
            (agent, state, limit),
        )
        return rows[::-1]

    def dead_letters(self) -> list[Row]:
        """Return the dead letters that were neither retried nor dropped, oldest first."""
        return self._rows(
            f"SELECT {DELIVERY} FROM deliveries"  # noqa: S608 - our own words
            f" WHERE {DEAD_LETTER} ORDER BY number"
        )

    def delivery(self, beginning: str) -> Row:
        """Return the one delivery whose id begins with this, with its text.

        Raises:
            NotFound: There is none, or more than one.
        """
        _, found = self.find(beginning, "delivery")
        return self._rows(f"SELECT {DELIVERY}, text FROM deliveries WHERE id = ?", (found,))[0]  # noqa: S608 - our own words

    def rejected(self, *, limit: int = 20) -> list[Row]:
        """Return the newest rejected inputs, the oldest of them first, without their bytes."""
        rows = self._rows(
            f"SELECT number, at, origin, size, count, reason FROM ({REJECTED}) ORDER BY number DESC LIMIT ?",  # noqa: S608 - our own words
            (limit,),
        )
        return rows[::-1]

    def rejection(self, number: int) -> Row:
        """Return one rejected input, with its beginning as ``raw``.

        Raises:
            NotFound: There is none.
        """
        rows = self._rows(
            f"SELECT number, at, origin, size, count, reason, raw FROM ({REJECTED}) WHERE number = ?",  # noqa: S608 - our own words
            (number,),
        )
        if not rows:
            raise NotFound(f"There is no rejected input with the number {number}.")
        return rows[0] | {"raw": rows[0]["raw"].decode(errors="replace")}

    def events(self, *, limit: int = 20, subject: str | None = None) -> list[Row]:
        """Return the newest events, the oldest of them first."""
        rows = self._rows(
            "SELECT number, at, source, kind, subject, agent, document FROM events"
            " WHERE (?1 IS NULL OR subject = ?1) ORDER BY number DESC LIMIT ?2",
            (subject, limit),
        )
        return rows[::-1]

    def find(self, beginning: str, *kinds: Kind) -> tuple[Kind, str]:
        """Return the kind and the id of the one thing of these kinds that is called so.

        An id is called by itself, in other words of the same meaning, or by its beginning, in any case.

        Raises:
            NotFound: There is none, or more than one; the text has the candidates.
        """
        what = ", ".join(kinds).replace("subject", "task or subtask")
        if not beginning:
            raise NotFound(f"Which {what}? Give its id, or the beginning of it.")
        for condition, words in [("id = ?1", spellings(beginning)), (BEGINS, (beginning,))]:
            found = [
                (kind, row["id"])
                for kind in kinds
                for word in words
                for row in self._rows(f"{IDS[kind]} WHERE {condition} LIMIT {CANDIDATES}", (word,))
            ]
            if len(found) == 1:
                return found[0]
            if found:
                candidates = "".join(f"\n  {kind} {found_id}" for kind, found_id in found)
                raise NotFound(f"{beginning!r} may mean more than one; give more of the id:{candidates}")
        raise NotFound(f"There is no {what} whose id begins with {beginning!r}.")

    def _rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        with self._named_errors():
            return [_read(row) for row in self._database.execute(statement, values)]

    def _count(self, statement: str) -> int:
        (row,) = self._rows(statement)
        return sum(row.values())

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Distinguish a damaged file from one that can't be read now, in the error's words."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError) as error:
            # Text that isn't UTF-8 raises an OperationalError too, but Python's own, without SQLite's code.
            if isinstance(error, sqlite3.OperationalError) and hasattr(error, "sqlite_errorcode"):
                raise ConfigurationError(f"{self._path} can't be read: {error}") from error
            raise ConfigurationError(
                f"{self._path} is damaged ({error}); the next start of the coordinator sets it aside and keeps"
                " what can be read."
            ) from error


def _read(row: sqlite3.Row) -> Row:
    """Convert a row to a dict, with its document parsed.

    Raises:
        ValueError: The document isn't a JSON object.
    """
    found = dict(row)
    if "document" in found:
        found["document"] = document = orjson.loads(found["document"])
        if not isinstance(document, dict):
            raise ValueError("a document isn't a JSON object")
    return found


def _node(row: Row) -> Row:
    document = row["document"]
    state = state_word(
        row["status"],
        hold=document.get("hold"),
        started=document.get("started", False),
        released=document.get("released", False),
    )
    return {"id": row["id"], "status": row["status"], "state": state, **document}
