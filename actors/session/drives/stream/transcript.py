"""Claude's transcript of a conversation: which messages have arrived, and whether the last turn was answered.

It is read before anything is resent. A message that has arrived stands in it in one of three ways:

* a ``user`` line has its uuid,
* an ``attachment`` has it as ``source_uuid``, where it came while a tool was running,
* a ``user`` line has it among its ``mergedSendUuids``, where it waited for the end of a turn together with others:
  claude joins them to one message with the uuid of the last.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from actors.lib.lenient_json import load_json
from actors.session.drive import Past


def read_transcript(path: Path | None) -> Past:
    """Read a transcript, and skip a torn last line and lines of unknown kinds."""
    past = Past()
    if path is not None:
        for line in _lines(path):
            _take(past, line)
    return past


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


def _take(past: Past, line: dict[str, Any]) -> None:
    match line.get("type"):
        case "user":
            merged = line.get("mergedSendUuids")
            others = merged if isinstance(merged, list) else []
            past.arrived.update(str(each) for each in (*others, line.get("uuid")))
            past.is_answered = False
        case "attachment":
            attachment = line.get("attachment")
            if isinstance(attachment, dict) and attachment.get("source_uuid"):
                past.arrived.add(str(attachment["source_uuid"]))
                past.is_answered = False
        case "assistant":
            message = line.get("message")
            content = message.get("content") if isinstance(message, dict) else None
            blocks = (
                [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
            )
            failed = bool(line.get("isApiErrorMessage"))
            past.is_answered = not failed and all(block.get("type") != "tool_use" for block in blocks)
            texts = [str(block.get("text")) for block in blocks if block.get("type") == "text"]
            past.last_text = "\n".join(texts) or past.last_text
