"""What the tests of the connection share."""

from collections.abc import Iterator

import hypothesis
import pytest

from tests.actors.connection.peer import Listener

hypothesis.settings.register_profile("unhurried", deadline=None)  # no test asserts on the clock
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A port where a backend is played by the test."""
    with Listener() as opened:
        yield opened
