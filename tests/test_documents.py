"""What the documents claim, as far as a machine can hold them to it."""

import re
from pathlib import Path

import pytest

from actors.app.settings import Settings
from actors.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
NONE = "\u2013"
README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_lists_every_setting_with_its_default() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]+)`? \|", README, re.MULTILINE))
    told = {
        "ws_url": NONE,
        "ws_token": NONE,
        "embedded_database_url": NONE,
        "project_dir": ".",
        "claude_command": "claude",
        "auto_start_sessions": "true",
    }
    expected = {
        name.upper(): told.get(name, str(field.default)) for name, field in Settings.model_fields.items()
    }
    assert table == expected


def test_the_readme_lists_every_command() -> None:
    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    assert commands - {"run", "demo"} == set(re.findall(r"^\| `./scripts/run ([\w-]+)", README, re.MULTILINE))


@pytest.mark.parametrize(
    "document",
    sorted(
        path.relative_to(ROOT)
        for path in ROOT.glob("**/*.md")
        if not path.relative_to(ROOT).parts[0].startswith(".")
    ),
    ids=str,
)
def test_links_lead_somewhere(document: Path) -> None:
    path = ROOT / document
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / link).exists(), link
