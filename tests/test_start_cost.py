"""Tests of what a start does not load, because it would take longer than all the rest."""

import subprocess
import sys

import pytest

from tests.claude import ROOT

LOADED = "import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("actors.app.coordinator", {"mcp", "mcp_types", "sqlalchemy"}),
        ("backend.__main__", {"mcp", "mcp_types"}),
        (
            "actors.cli.app",
            {"mcp", "pykka", "starlette", "structlog", "supervisors", "uvicorn", "watchfiles"},
        ),
        ("actors.scripted_claude.program", {"pydantic", "asyncio", "structlog"}),
    ],
)
def test_a_start_does_not_load_what_only_some_need(module: str, unwanted: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert unwanted & set(done.stdout.split()) == set()
