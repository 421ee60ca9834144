"""Fixtures of the two programs that the contract is checked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.scripted_claude.launch import command
from tests.claude import BOTH, real_claude
from tests.contract.harness import Claude
from tools.common.model_api import ModelApi


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make an empty home."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """Make a work directory."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def scripted(home: Path, cwd: Path) -> Iterator[Claude]:
    """Set up the stand-in."""
    claude = Claude(command(), home, cwd, None)
    yield claude
    claude.close()


@pytest.fixture
def real(home: Path, cwd: Path) -> Iterator[Claude]:
    """Set up the real program, before a double of the API."""
    program = real_claude()
    with ModelApi() as api:
        claude = Claude([program], home, cwd, api)
        yield claude
        claude.close()


@pytest.fixture(params=BOTH)
def claude(request: pytest.FixtureRequest) -> Claude:
    """Set up each of the two in turn."""
    chosen: Claude = request.getfixturevalue(request.param)
    return chosen
