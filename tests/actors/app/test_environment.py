"""The part of the coordinator's environment that an agent sees."""

import os
import subprocess

import pytest

from actors.app.environment import ROOT, claude_environment
from actors.lib import program
from actors.lib.failpoints import VARIABLE


@pytest.mark.parametrize(
    "name",
    [
        "WS_TOKEN",
        "ws_token",  # a setting is read in any case
        "BACKEND_TOKEN",
        "EMBEDDED_DATABASE_URL",  # may hold a password
        VARIABLE,
        program.VARIABLE,
        "CLAUDECODE",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_SESSION_ID",
    ],
)
def test_what_is_the_coordinators_own_is_withheld(name: str) -> None:
    assert claude_environment({name: "x", "HOME": "/home/me"}) == {"HOME": "/home/me"}


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "ANTHROPIC_API_KEY",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_USE_BEDROCK",
        "DATABASE_URL",
        "WORK_DIR",
    ],
)
def test_what_is_the_users_stays(name: str) -> None:
    assert claude_environment({name: "x"}) == {name: "x"}


def test_our_own_packages_do_not_come_before_those_of_the_project() -> None:
    def path(*entries: str) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join(entries)}

    assert claude_environment(path(str(ROOT), "/mine", "/other")) == path("/mine", "/other")
    assert claude_environment(path(str(ROOT))) == {}


def test_it_is_what_scripts_run_adds_that_is_taken_away() -> None:
    script = (ROOT / "scripts" / "run").read_text()
    (export,) = [line for line in script.splitlines() if line.startswith("export ")]
    program = f'root={ROOT}; {export}; printf %s "$PYTHONPATH"'
    done = subprocess.run(["/bin/bash", "-c", program], env={}, capture_output=True, text=True, check=True)
    assert claude_environment({"PYTHONPATH": done.stdout}) == {}
