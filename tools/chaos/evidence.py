"""The evidence after a run: the journal, the backend's database, and the agents' transcripts."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from actors.protocol.deliveries import Delivery
from actors.session.places import Places
from actors.workdir import WorkDir

HEADER = "[coordinator delivery="
CONTINUE = "[coordinator] Your process was interrupted"
STAMPS = ("queued_at", "handed_at", "written_at", "accepted_at", "started_at", "completed_at")

Row = dict[str, Any]


class Received(NamedTuple):
    """A message that an agent received, according to a transcript.

    Attributes:
        part: The part of the conversation that had it: how often its transcript had been cleaned away before.
    """

    agent: str
    id: str
    text: str
    part: int = 0


@dataclass(frozen=True)
class Evidence:
    """The evidence of a run.

    Attributes:
        deliveries, events, publications: Rows of the journal, in order.
        nodes: The journal's nodes, by id.
        told: The backend's events, in order.
        items: The backend's tasks and subtasks, by id.
        received: The messages that the agents received, each agent's in order.
        cleaned: The times at which the transcripts of agents were cleaned away, each agent's in order.
        continued: The number of turns that were continued after claude had died in the middle.
        sound: The result of SQLite's check of the journal's file.
        rejected: The numbers of rejected inputs, by origin.
    """

    deliveries: list[Row]
    events: list[Row]
    publications: list[Row]
    nodes: dict[str, Row]
    told: list[Row]
    items: dict[str, Row]
    received: list[Received]
    cleaned: list[tuple[str, float]]
    continued: int
    sound: str
    rejected: Counter[str]

    @property
    def stamps(self) -> list[float]:
        """The times of all steps in the journal, in order."""
        steps = [each[name] for each in self.deliveries for name in STAMPS if each[name]]
        return sorted([*steps, *(each["at"] for each in self.events)])


def gather(journal: Path, backend: Path, home: Path, cleaned: Path) -> Evidence:
    """Read all evidence, after all processes have ended.

    Args:
        journal: The journal's file.
        backend: The backend's database.
        home: The home directory with the transcripts.
        cleaned: The directory with those that were cleaned away.
    """
    with _open(journal) as database:
        agents = {row["session_id"]: row["agent"] for row in _rows(database, "SELECT * FROM agents")}
        rows = _rows(database, "SELECT * FROM deliveries ORDER BY number")
        deliveries = [row | {"text": _told(row, WorkDir(journal.parent))} for row in rows]
        events = _rows(database, "SELECT * FROM events ORDER BY number")
        publications = _rows(database, "SELECT * FROM publications ORDER BY number")
        nodes = {row["id"]: _node(row) for row in _rows(database, "SELECT * FROM nodes")}
        rejected = Counter(row["origin"] for row in _rows(database, "SELECT origin FROM rejected"))
        sound = str(database.execute("PRAGMA integrity_check").fetchone()[0])
    with _open(backend) as database:
        told = [json.loads(row["text"]) for row in _rows(database, "SELECT text FROM events ORDER BY seq")]
        items = {row["id"]: row for row in _rows(database, "SELECT * FROM items")}
    parts = {session_id: sorted((cleaned / session_id).glob("*.jsonl")) for session_id in agents}
    messages = [
        Received(agent, message_id, text, part)
        for session_id, agent in agents.items()
        for part, path in enumerate([*parts[session_id], *home.glob(f"**/projects/*/{session_id}.jsonl")])
        for message_id, text in _messages(path)
    ]
    return Evidence(
        deliveries=deliveries,
        events=events,
        publications=publications,
        nodes=nodes,
        told=told,
        items=items,
        received=[each for each in messages if each.text.startswith(HEADER)],
        cleaned=[(agents[each], int(path.stem) / 1e9) for each, paths in parts.items() for path in paths],
        continued=sum(each.text.startswith(CONTINUE) for each in messages),
        sound=sound,
        rejected=rejected,
    )


def _told(row: Row, workdir: WorkDir) -> str:
    """Return the text as the session tells it: with the paths of files in place of their tokens."""
    delivery = Delivery(
        id=row["id"], agent=row["agent"], kind=row["kind"], subtask_id=row["subtask_id"], text=row["text"]
    )
    return Places(workdir.context, workdir.result_files(delivery.agent)).settle(delivery).text


def _open(path: Path) -> closing[sqlite3.Connection]:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    return closing(database)


def _rows(database: sqlite3.Connection, statement: str) -> list[Row]:
    return [dict(row) for row in database.execute(statement)]


def _node(row: Row) -> Row:
    return {"status": row["status"], **json.loads(row["document"])}


def _messages(transcript: Path) -> Iterator[tuple[str, str]]:
    """Return the uuids and texts of a transcript's user messages, in order."""
    with transcript.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                data = json.loads(line)
            except ValueError:
                continue  # it was killed while it wrote the line
            attachment = data.get("attachment") or {}
            if data.get("type") == "user":
                yield from _parts(data, _text(data["message"]["content"]))
            elif data.get("type") == "attachment" and attachment.get("source_uuid"):
                yield attachment["source_uuid"], _text(attachment["prompt"])


def _parts(line: Row, text: str) -> Iterator[tuple[str, str]]:
    """Split one line into its messages: claude joins those that waited together for the end of a turn."""
    ids = [*line.get("mergedSendUuids", ()), line["uuid"]]
    texts = re.split(r"\n(?=\[coordinator[ \]])", text) if len(ids) > 1 else [text]
    if len(texts) != len(ids):
        raise ValueError(f"{len(ids)} messages were made one of {len(texts)} parts: {text[:500]!r}")
    return zip(ids, texts, strict=True)


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks)
