"""Tests of claims in the documents that can be checked automatically."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from actors.app.settings import Settings
from actors.cli.app import app
from actors.gateway.tools import TOOLS
from actors.protocol.deliveries import DeliveryKind, DeliveryState
from actors.protocol.feed import FactKind
from actors.protocol.sessions import SessionState
from tests.types.test_exhaustive import EXPECTED

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = ROOT / "docs" / "contributing.md"
STEP = re.compile(r"^(\d+)\. `([^`]+)`( \(new\))?: ", re.MULTILINE)
"""A step of a recipe: its number, the file to change, and whether the file is to be made."""
FILE = re.compile(r"`([\w./-]*/[\w.-]+\.(?:py|md|sql|sh|toml|json))`( \(new\))?")
"""A path in backticks that names a file."""
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


@pytest.mark.parametrize(
    ("page", "head", "words"),
    [
        ("command-line.md", "| state of a delivery |", DeliveryState),
        ("command-line.md", "| state of an agent |", SessionState),
        ("events-and-dialects.md", "| kind | what the agent is told |", DeliveryKind),
        ("gateway-api.md", "| `event` (the kind) |", (*get_args(FactKind), "gap")),
        ("gateway-api.md", "| tool |", TOOLS),
    ],
)
def test_the_reference_lists_every_word_that_there_is(page: str, head: str, words: Iterable[str]) -> None:
    _, found, rest = (REFERENCE / page).read_text("utf-8").partition(f"\n{head}")
    assert found
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", rest.partition("\n\n")[0], re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(words)


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


def _recipes() -> dict[str, str]:
    """The recipes of docs/contributing.md by their titles."""
    _, _, text = CONTRIBUTING.read_text("utf-8").partition("\n## Recipes\n")
    parts = re.split(r"^### (.*)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("recipe", _recipes())
def test_each_step_of_a_recipe_begins_with_a_file_that_is_there(recipe: str) -> None:
    text = _recipes()[recipe]
    steps = STEP.findall(text)
    assert len(steps) > 1
    assert [f"{number}. " for number, _, _ in steps] == re.findall(r"^\d+\. ", text, re.MULTILINE)
    assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert [path for _, path, new in steps if (ROOT / path).is_file() == bool(new)] == []


def test_the_recipe_for_an_event_visits_the_files_that_the_type_checker_names() -> None:
    steps = [path for _, path, _ in STEP.findall(_recipes()["A new event"])]
    product = [path for path in steps if path.split("/")[0] in ("actors", "supervisors", "backend")]
    typed = {f"actors/{name}" for name in EXPECTED["an event"]}
    assert product[0] == "actors/protocol/events.py"
    assert set(product) == {"actors/protocol/events.py"} | typed


@pytest.mark.parametrize(
    "document",
    sorted(path for path in (ROOT / "docs").glob("**/*.md") if path.parent.name != "decisions"),
    ids=lambda path: path.name,
)
def test_each_file_that_a_document_names_is_there(document: Path) -> None:
    named = [path for path, new in FILE.findall(document.read_text("utf-8")) if not new]
    places = [ROOT] if document == CONTRIBUTING else [ROOT, ROOT / "actors"]
    assert [path for path in named if not any((place / path).is_file() for place in places)] == []
