"""Fixtures of the connection's tests."""

from collections.abc import Iterator

import hypothesis
import pytest

from tests.actors.connection.peer import Listener

hypothesis.settings.register_profile("unhurried", deadline=None)  # no test asserts on the clock
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Give a port where the test plays the backend."""
    with Listener() as opened:
        yield opened
