"""Fixtures: a system for each test, stopped at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.supervisors.helpers import DEADLINE, World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    """Return a system that is not started yet."""
    world = World()
    yield world
    world.system.stop(timeout=DEADLINE)
