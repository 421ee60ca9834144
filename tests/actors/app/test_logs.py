"""The content of the log, and its form."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from actors.app.logs import set_up_logging
from actors.lib.errors import ConfigurationError

PORT_IN_USE = "the port is in use"


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Put back the logging of the tests: the handlers, and every logger's level."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = _levels()
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    for logger in _levels():
        logger.setLevel(levels.get(logger, logging.NOTSET))


def _levels() -> dict[logging.Logger, int]:
    named = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    return {logger: logger.level for logger in (logging.root, *named)}


def logged(level: str, error: Exception, *, incarnation: int) -> str:
    """Return the lines that are written when an actor dies of this at its start."""
    stream = io.StringIO()
    set_up_logging(level, stream)
    failure = RuntimeError("a child could not be started")
    failure.__cause__ = error
    structlog.get_logger("supervisors").error(
        "child_exited", stage="start", incarnation=incarnation, exc_info=failure
    )
    return stream.getvalue()


def test_what_a_person_has_to_mend_before_anything_runs_is_left_to_the_command_line() -> None:
    assert logged("info", ConfigurationError(PORT_IN_USE), incarnation=1) == ""


def test_later_on_it_is_a_line_without_a_traceback() -> None:
    text = logged("info", ConfigurationError(PORT_IN_USE), incarnation=2)
    assert f"reason='{PORT_IN_USE}'" in text
    assert text.count("\n") == 1


def test_who_looks_for_a_fault_of_ours_sees_it_all() -> None:
    assert "RuntimeError: a child could not be started" in logged(
        "debug", ConfigurationError(PORT_IN_USE), incarnation=1
    )


def test_what_is_a_fault_of_ours_has_its_traceback() -> None:
    assert "RuntimeError: a child could not be started" in logged("info", ValueError("oops"), incarnation=1)


@pytest.mark.parametrize(
    ("is_terminal", "stamp"), [(True, r"\S*\d\d:\d\d:\d\d"), (False, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")]
)
def test_what_is_kept_has_the_date(is_terminal: bool, stamp: str) -> None:  # noqa: FBT001 - a parameter of the test
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal  # type: ignore[method-assign]  # all that is asked of it
    set_up_logging("info", stream)
    structlog.get_logger("actors").info("something")
    assert re.match(rf"(\x1b\[\d*m)?{stamp}", stream.getvalue())


def logged_as_json(level: str = "info") -> list[dict[str, object]]:
    """Return the lines that are written of an event, of a library's record, and of a fault, line by line."""
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]  # a terminal is written to like anything else
    set_up_logging(level, stream, form="json")
    structlog.get_logger("actors").info("something", names=["ä", "\n"], path=io)
    logging.getLogger("a.library").warning("%s lines", 2)
    try:
        int("oops")
    except ValueError as error:
        structlog.get_logger("supervisors").error("child_exited", exc_info=error)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_for_programs_each_line_is_an_object_with_its_fields() -> None:
    something, record, fault = logged_as_json()
    assert list(something)[:3] == ["timestamp", "level", "event"]
    assert (something["level"], something["event"], something["names"]) == ("info", "something", ["ä", "\n"])
    assert (record["level"], record["event"]) == ("warning", "2 lines")
    assert fault["event"] == "child_exited"
    for line in (something, record, fault):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", str(line["timestamp"]))


def test_a_traceback_in_it_is_a_string() -> None:
    exception = str(logged_as_json()[2]["exception"])
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("ValueError: invalid literal for int() with base 10: 'oops'")
    assert "exc_info" not in logged_as_json()[2]


def test_the_level_holds_there_too() -> None:
    assert [line["event"] for line in logged_as_json("error")] == ["child_exited"]


HARMFUL = "a\x1b[31mb\x07\x7f\x9b2J\u202ec\x00"
"""Words with an escape sequence, a bell, DEL, a C1 byte, an override of the direction, and NUL."""


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_in_it_is_obeyed_by_a_terminal(form: Literal["text", "json"]) -> None:
    stream = io.StringIO()
    set_up_logging("info", stream, form=form)
    log = structlog.get_logger("actors")
    log.warning(HARMFUL, reason=HARMFUL, **{HARMFUL: 1})
    log.warning("e", names=(HARMFUL, [HARMFUL]), fields={HARMFUL: {HARMFUL}}, error=Odd())
    logging.getLogger("a.library").warning("by %s", HARMFUL)
    for failure in (ValueError(HARMFUL), OSError(HARMFUL)):
        log.error("failed", exc_info=failure)
        logging.getLogger("a.library").error(HARMFUL, exc_info=failure)
    written = stream.getvalue()
    assert "[31mb" in written
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", written)
    if form == "json":
        values = json.dumps(list(map(json.loads, written.splitlines())), ensure_ascii=False)
        assert not re.search(r"\\u00|[\x7f-\x9f\u202e]", values)


class Odd:
    """Something whose ``repr`` is harmful."""

    def __repr__(self) -> str:
        return HARMFUL


def test_a_message_of_several_lines_poses_as_no_entry() -> None:
    stream = io.StringIO()
    set_up_logging("info", stream)
    logging.getLogger("a.library").warning("one\r\n2026-11-27T21:08:12Z [error    ] forged")
    structlog.get_logger("actors").info("e", reason="one\n2026-11-27T21:08:12Z [error    ] forged")
    assert not [line for line in stream.getvalue().splitlines() if line.startswith("2026-11-27T21:08:12Z")]
