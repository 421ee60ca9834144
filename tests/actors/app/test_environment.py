"""The part of the coordinator's environment that an agent sees."""

import os
import subprocess
from pathlib import Path

import pytest

from actors.app.coordinator import Coordinator
from actors.app.environment import ROOT, claude_environment
from actors.app.settings import load_defaults
from actors.lib import program
from actors.lib.failpoints import VARIABLE


@pytest.mark.parametrize(
    "name",
    [
        "WS_URL",  # may hold a token
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


def test_a_secret_is_withheld_under_any_name() -> None:
    url = "wss://user:pass-word@h/ws?token=in-the-query"
    settings = load_defaults(ws_url=url, ws_token="in-the-header", embedded_database_url="sqlite:////s3cret")
    given = {
        "A": url,
        "B": "Bearer in-the-header",
        "C": "?x=in-the-query",
        "D": "sqlite:////s3cret",
        "E": "pass-word",
    }
    kept = {"HOME": "/home/me", "ANTHROPIC_AUTH_TOKEN": "in-the-header"}
    assert claude_environment(given | kept, settings.secrets) == kept


def test_a_coordinators_sessions_get_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "ws://127.0.0.1:9/ws?token=in-the-query"
    for name in ("WS_URL", "ANOTHER"):
        monkeypatch.setenv(name, url)
    settings = load_defaults(work_dir=tmp_path / "work", project_dir=tmp_path, ws_url=url)
    assert "in-the-query" not in str(Coordinator(settings)._environment)
