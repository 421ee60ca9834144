"""Files of facts, and what goes into them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.feed import FeedReader
from actors.protocol.feed import FeedPage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the facts go."""
    return tmp_path / "feed.db"


@pytest.fixture
def reader(path: Path) -> Iterator[FeedReader]:
    """Reads them."""
    made = FeedReader(path)
    yield made
    made.close()


def line(number: int, agent: str | None = None, text: str = "") -> bytes:
    """A line of the event history."""
    return json.dumps({"number": number, "at": 1000.0 + number, "agent": agent, "text": text}).encode()


def page(after: int, *numbers: int, moves: tuple[list[list[Any]], ...] = (), step: int = 0) -> FeedPage:
    """A page with these events; ``moves`` come behind the step ``step``."""
    return FeedPage(
        after_event=after,
        events=tuple(line(number) for number in numbers),
        last_event=max(numbers, default=after),
        after_step=step,
        moves=tuple(json.dumps(each).encode() for each in moves),
        last_step=step + len(moves),
    )


def numbers(reader: FeedReader) -> list[int]:
    """The numbers of the events that are kept, in the order of the facts."""
    facts = reader.after(0, 100_000, kinds=["event"]).facts
    return [json.loads(fact.document)["number"] for fact in facts]
