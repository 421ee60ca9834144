"""What the tests of the work directory share."""

from pathlib import Path

import pytest

from actors.workdir import WorkDir, prepare


@pytest.fixture
def workdir(tmp_path: Path) -> WorkDir:
    """A work directory that was just made."""
    return prepare(tmp_path / "work")
