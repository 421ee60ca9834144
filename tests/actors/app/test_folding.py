"""Repeated log lines are folded."""

import io
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog

from actors.app import folding
from actors.app.folding import FOLDED, REMEMBERED, REPORT_SECONDS, Folder, FoldingHandler, Kind
from actors.app.logs import set_up_logging


class Clock:
    """A clock that is put forward by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(clock: Clock) -> Folder:
    return Folder(clock)


def kind(event: str = "e") -> Kind:
    return Kind("actors", logging.INFO, event)


def test_the_same_line_is_written_a_few_times_and_then_counted(folder: Folder, clock: Clock) -> None:
    assert sum(folder.admits(kind(), "same") for _ in range(1_000)) == 10
    assert folder.admits(kind(), "another")
    assert list(folder.report()) == []  # not yet
    clock.now = REPORT_SECONDS
    assert list(folder.report()) == [(kind(), 990)]
    assert list(folder.report(at_once=True)) == []
    # And: now and then it is written again
    assert sum(folder.admits(kind(), "same") for _ in range(1_000)) == 6


def test_lines_that_come_seldom_are_all_written(folder: Folder, clock: Clock) -> None:
    for _ in range(100):
        clock.now += 10
        assert folder.admits(kind(), "same")


def test_a_burst_of_different_lines_of_a_kind_is_written(folder: Folder) -> None:
    assert all(folder.admits(kind(), f"agent {number}") for number in range(1_000))
    assert not folder.admits(kind(), "agent 1001")
    assert folder.admits(kind("other"), "agent 1001")


@pytest.mark.parametrize("what", ["one line", "one kind", "many kinds"])
def test_in_a_day_long_flood_the_log_and_the_memory_stay_small(
    folder: Folder, clock: Clock, what: str
) -> None:
    written = 0
    for number in range(86_400):
        clock.now += 1
        for part in range(3):
            event = f"kind {number}.{part}" if what == "many kinds" else "e"
            line = "same" if what == "one line" else f"{number}.{part}"
            written += folder.admits(kind(event), line)
            list(folder.report())
    most = {"one line": 8_700, "one kind": 87_500, "many kinds": 260_000}
    assert written < most[what]


def test_what_is_remembered_is_bounded(folder: Folder) -> None:
    for number in range(20_000):
        folder.admits(kind(f"kind {number}"), "line")
    (*_, (others, _)) = told = list(folder.report(at_once=True))
    assert (len(told), others.event) == (REMEMBERED + 1, "others")
    assert sum(count for _, count in told) == 10_000


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)


def test_a_flood_is_a_few_lines_and_a_count(stream: io.StringIO) -> None:
    set_up_logging("info", stream, form="json")
    (handler,) = logging.getLogger().handlers
    for number in range(5_000):
        logging.getLogger("asyncio").error(
            "socket.accept() out of system resource\nsocket: <fd=%d>", number % 2
        )
        structlog.get_logger("actors").warning("session_crashed", agent="coder", code=-9)
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert Counter(line["event"].partition("\n")[0] for line in lines) == {
        "socket.accept() out of system resource": 20, "session_crashed": 10, FOLDED: 2,
    }  # fmt: skip
    told = {line["of"]: line["count"] for line in lines if line["event"] == FOLDED}
    assert told == {"socket.accept() out of system resource": 4_980, "session_crashed": 4_990}
    assert all(line["level"] in ("error", "warning") and line["timestamp"] for line in lines)


def test_lines_for_debugging_are_all_written(stream: io.StringIO) -> None:
    set_up_logging("debug", stream)
    for _ in range(100):
        structlog.get_logger("actors").debug("seen")
    assert len(re.findall("seen", stream.getvalue())) == 100


def test_the_count_is_told_while_other_lines_are_written(stream: io.StringIO, clock: Clock) -> None:
    set_up_logging("info", stream)
    handler = FoldingHandler(stream, Folder(clock))
    handler.setFormatter(logging.getLogger().handlers[0].formatter)
    logging.getLogger().handlers[:] = [handler]
    for _ in range(50):
        structlog.get_logger("actors").info("same")
    assert folding.FOLDED not in stream.getvalue()
    clock.now = REPORT_SECONDS
    structlog.get_logger("actors").info("other")
    assert re.search(rf"{FOLDED} +count=40 of=same source=actors", stream.getvalue())
