"""The two programs that every promise is held against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.session.scripted.launch import command
from tests.contract.harness import Claude, real_claude
from tests.doubles.model_api import ModelApi


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """A work directory."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def scripted(home: Path, cwd: Path) -> Iterator[Claude]:
    """The stand-in."""
    claude = Claude(command(), home, cwd, None)
    yield claude
    claude.close()


@pytest.fixture
def real(home: Path, cwd: Path) -> Iterator[Claude]:
    """The real program, before a double of the API."""
    path = real_claude()
    if path is None:
        pytest.skip("the real claude is not installed: scripts/install-claude")
    with ModelApi() as api:
        claude = Claude([str(path)], home, cwd, api)
        yield claude
        claude.close()


@pytest.fixture(params=["scripted", pytest.param("real", marks=pytest.mark.real)])
def claude(request: pytest.FixtureRequest) -> Claude:
    """Each of the two in turn."""
    chosen: Claude = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that a waiting tool waits for; made at the end at the latest, so no tool outlives its test."""
    path = tmp_path / "gate"
    yield path
    path.touch()
