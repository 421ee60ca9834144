"""An office for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actors.router.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A router's desk on a journal in memory."""
    office = Office(tmp_path)
    yield office
    office.close()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Office]:
    """A router's desk on a journal on disk, which can be restarted."""
    office = Office(tmp_path, on_disk=True)
    yield office
    office.close()
