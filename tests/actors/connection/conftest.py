"""What the tests of the connection share."""

from collections.abc import Iterator

import hypothesis
import pytest

from actors.lib import backoff
from tests.actors.connection.peer import Listener

hypothesis.settings.register_profile("unhurried", deadline=None)  # no test asserts on the clock
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again almost at once."""
    monkeypatch.setattr(backoff, "FIRST", 0.01)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A port where a backend is played by the test."""
    with Listener() as opened:
        yield opened
