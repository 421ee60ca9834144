"""Fixtures of the feed: files of facts, and their content."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.feed import FeedReader
from actors.protocol.feed import FeedPage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Open a file of facts."""
    return tmp_path / "feed.db"


@pytest.fixture
def reader(path: Path) -> Iterator[FeedReader]:
    """Open a reader of it."""
    made = FeedReader(path)
    yield made
    made.close()


def line(number: int, agent: str | None = None, text: str = "") -> bytes:
    """Build a line of the event history."""
    return json.dumps({"number": number, "at": 1000.0 + number, "agent": agent, "text": text}).encode()


def page(after: int, *numbers: int, moves: tuple[list[list[Any]], ...] = (), step: int = 0) -> FeedPage:
    """Build a page with these events; ``moves`` come after the step ``step``."""
    return FeedPage(
        after_event=after,
        events=tuple(line(number) for number in numbers),
        last_event=max(numbers, default=after),
        after_step=step,
        moves=tuple(json.dumps(each).encode() for each in moves),
        last_step=step + len(moves),
    )


def numbers(reader: FeedReader) -> list[int]:
    """Return the numbers of the kept events, in the order of the facts."""
    facts = reader.after(0, 100_000, kinds=["event"]).facts
    return [json.loads(fact.document)["number"] for fact in facts]
