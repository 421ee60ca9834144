"""Fixtures of the work directory's tests."""

from pathlib import Path

import hypothesis
import pytest

from actors.workdir import WorkDir, prepare

hypothesis.settings.register_profile("unhurried", deadline=None)  # no test asserts on the clock
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def workdir(tmp_path: Path) -> WorkDir:
    """Create a work directory."""
    return prepare(tmp_path / "work")
