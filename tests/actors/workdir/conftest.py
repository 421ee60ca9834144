"""What the tests of the work directory share."""

from pathlib import Path

import hypothesis
import pytest

from actors.workdir import WorkDir, prepare

hypothesis.settings.register_profile("unhurried", deadline=None)  # no test asserts on the clock
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def workdir(tmp_path: Path) -> WorkDir:
    """A work directory that was just made."""
    return prepare(tmp_path / "work")
