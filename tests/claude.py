"""The two programs under test: where the real claude is, and the environments that they run in."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / ".cache" / "claude" / "node_modules" / ".bin" / "claude"
BOTH = ("scripted", pytest.param("real", marks=pytest.mark.real))
"""The fixtures that a test with either program takes in turn."""


def real_claude() -> str:
    """The path of the pinned claude; skips the test where it isn't installed."""
    path = Path(os.environ.get("CLAUDE_REAL") or INSTALLED)
    if not path.exists():
        pytest.skip("the real claude is not installed (scripts/install-claude needs npm)")
    return str(path)


def real_environment(home: Path, api_url: str) -> dict[str, str]:
    """A closed environment: its own home, a key that is none, the double as its only peer."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ANTHROPIC_API_KEY": "sk-ant-not-a-key",
        "ANTHROPIC_BASE_URL": api_url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    }


def scripted_environment(home: Path) -> dict[str, str]:
    """The same for the scripted stand-in."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "SCRIPTED_CLAUDE_PACE": "0.01",
    }
