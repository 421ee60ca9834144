"""Tests of claims in the documents that can be checked automatically."""

import re
from pathlib import Path

import pytest

from actors.app.settings import Settings
from actors.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
NONE = "\u2013"
REFERENCE = ROOT / "docs" / "reference"
REFERENCES = sorted(each.relative_to(ROOT).as_posix() for each in REFERENCE.glob("*.md"))


def test_the_reference_lists_every_setting_with_its_default() -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]+)`? \|", page, re.MULTILINE))
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


def test_the_reference_lists_every_command() -> None:
    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    page = (REFERENCE / "command-line.md").read_text("utf-8")
    table = page[page.index("| command |") : page.index("**Read-only commands**")]
    assert commands == set(re.findall(r"^\| `([\w-]+)", table, re.MULTILINE))


@pytest.mark.parametrize("page", REFERENCES)
def test_every_page_of_reference_is_reached_from_the_readme(page: str) -> None:
    assert f"]({page})" in (ROOT / "README.md").read_text("utf-8")


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
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", path.read_text("utf-8")):
        target = path.parent / link if link else path
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), f"{link}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    "document",
    sorted((ROOT / "docs").glob("**/*.md")),
    ids=lambda path: path.name,
)
def test_the_index_lists_every_document(document: Path) -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text("utf-8")
    name = document.relative_to(docs).as_posix()
    assert f"]({name})" in index or name == "README.md" or name.startswith("decisions/")
