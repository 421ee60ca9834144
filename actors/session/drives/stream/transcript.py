"""A conversation as Claude keeps it: what has arrived in it, and how it ended.

Asked before anything is sent a second time. Where a message has arrived there is either a ``user`` line with its
uuid or, where it came while a tool was running, an ``attachment`` with it as ``source_uuid``. Of messages that waited
together for the end of a turn one line is made: it has the uuid of the last, and those of the others as
``mergedSendUuids``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from actors.lib.lenient_json import load_json


@dataclass(slots=True)
class Conversation:
    """What a transcript says.

    Attributes:
        arrived: The uuids of the messages that are in the history.
        is_answered: Nothing is left open: the last word is the model's.
        last_text: What the model said last.
    """

    arrived: set[str] = field(default_factory=set)
    is_answered: bool = True
    last_text: str = ""


def find_transcript(environment: Mapping[str, str], session_id: str) -> Path | None:
    """The transcript's file, or None if there is none.

    Args:
        environment: The one that claude runs in; it says where claude keeps its files.
        session_id: The conversation.
    """
    home = Path(environment.get("HOME", "/"))
    directory = Path(environment.get("CLAUDE_CONFIG_DIR") or home / ".claude")
    return next(iter(directory.glob(f"projects/*/{session_id}.jsonl")), None)


def read_transcript(path: Path | None) -> Conversation:
    """Read a transcript; a torn last line and lines of unknown kinds are skipped."""
    conversation = Conversation()
    if path is not None:
        for line in _lines(path):
            _take(conversation, line)
    return conversation


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    data = load_json(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(data, dict):
                    yield data
    except FileNotFoundError:
        return


def _take(conversation: Conversation, line: dict[str, Any]) -> None:
    match line.get("type"):
        case "user":
            merged = line.get("mergedSendUuids")
            others = merged if isinstance(merged, list) else []
            conversation.arrived.update(str(each) for each in (*others, line.get("uuid")))
            conversation.is_answered = False
        case "attachment":
            attachment = line.get("attachment")
            if isinstance(attachment, dict) and attachment.get("source_uuid"):
                conversation.arrived.add(str(attachment["source_uuid"]))
                conversation.is_answered = False
        case "assistant":
            message = line.get("message")
            content = message.get("content") if isinstance(message, dict) else None
            blocks = (
                [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
            )
            failed = bool(line.get("isApiErrorMessage"))
            conversation.is_answered = not failed and all(block.get("type") != "tool_use" for block in blocks)
            texts = [str(block.get("text")) for block in blocks if block.get("type") == "text"]
            conversation.last_text = "\n".join(texts) or conversation.last_text
