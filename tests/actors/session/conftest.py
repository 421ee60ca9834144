"""Fixtures of the session's tests: a stage with the stand-in, with the real claude, and with each of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from actors.scripted_claude.launch import command
from tests.actors.session.stage import Stage
from tests.claude import BOTH, real_claude, real_environment, scripted_environment
from tools.common.model_api import ModelApi

hypothesis.settings.register_profile("unhurried", deadline=None)  # no test asserts on the clock
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Stage]:
    """Set a stage with the stand-in."""
    stage = Stage(tmp_path, tuple(command()), scripted_environment(tmp_path / "home"))
    yield stage
    stage.close()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Stage]:
    """Set a stage with the real claude, before a double of the API."""
    program = real_claude()
    with ExitStack() as stack:
        api = stack.enter_context(ModelApi())
        stage = Stage(tmp_path, (program,), real_environment(tmp_path / "home", api.url), api)
        stack.callback(stage.close)
        yield stage


@pytest.fixture(params=BOTH)
def stage(request: pytest.FixtureRequest) -> Stage:
    """Set a stage with each of the two in turn."""
    chosen: Stage = request.getfixturevalue(request.param)
    return chosen
