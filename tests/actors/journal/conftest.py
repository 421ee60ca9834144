"""Fixtures of the journal: a file, and a journal in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.journal.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal is."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Create a journal on disk."""
    made = Journal(path)
    yield made
    made.close()
