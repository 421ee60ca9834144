"""Rules for every test: it leaves nothing behind, and no error goes unnoticed.

An actor that dies does not fail the test by itself, because its exception stays in its own thread. So each
test fails on an ERROR record of pykka or of the product, unless it names the events that it expects:

    @pytest.mark.expected_errors("child_exited", "message_dead")
    def test_it(logged_errors): ...

The marker also works for a class or a module (`pytestmark`). `logged_errors` is the list of the
records so far. structlog's events arrive there (and in `caplog`) through the standard library.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog

from tests.forked import warm_up
from tests.leaks import ErrorCatcher, Snapshot, to_stdlib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Seconds that threads and processes which are just ending may take.
ENDING = float(os.environ.get("LEAK_SECONDS", "5"))
# Seconds that all tries of a property may take.
TRYING = 300
# Files that take longest, and folders of such, the longest first.
LONGEST = (
    *(
        "tests/e2e/test_crash_points",
        "tests/types/",
        "tests/e2e/test_command_line",
        "tests/test_installation",
    ),
    *(
        "tests/test_scripts",
        "tests/e2e/",
        "tests/actors/session/",
        "tests/contract/",
        "tests/backend/test_process",
    ),
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "expected_errors(*events): ERROR records that the test causes on purpose"
    )


@pytest.hookimpl(trylast=True)  # after hypothesis, which marks its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give property tests more time, and put the longest tests first, so that no process ends long after the others.

    Property tests run hundreds of examples on a disk that may be busy.
    """
    for item in items:
        if item.get_closest_marker("hypothesis") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TRYING))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Return the place of a test among those that take long; all others come last."""
    places = (place for place, begin in enumerate(LONGEST) if item.nodeid.startswith(begin))
    return next(places, len(LONGEST))


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = Snapshot.take()
    yield
    leaked = before.leaked(ENDING)
    assert not leaked, f"left behind: {leaked}"


@pytest.fixture(autouse=True)
def logged_errors(
    request: pytest.FixtureRequest, _nothing_left_behind: None
) -> Iterator[list[logging.LogRecord]]:
    """Return the test's ERROR records so far; fail the test if there are unexpected ones."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, to_stdlib],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    catcher = ErrorCatcher()
    root = logging.getLogger()
    root.addHandler(catcher)
    yield catcher.records
    root.removeHandler(catcher)
    expected = {event for mark in request.node.iter_markers("expected_errors") for event in mark.args}
    unexpected = [record.getMessage() for record in catcher.unexpected(expected)]
    assert not unexpected, f"unexpected errors: {unexpected}"


@pytest.fixture(scope="session")
def programs() -> None:
    """Prepare for tests that run the product's program; what is prepared belongs to all of them."""
    warm_up()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """Return a file that a waiting tool waits for. It is created at the end at the latest, so that no tool remains."""
    path = tmp_path / "gate"
    yield path
    path.touch()
