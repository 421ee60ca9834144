"""The two claude programs for tests, real and scripted, and their environments."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / ".cache" / "claude" / "node_modules" / ".bin" / "claude"
BOTH = ("scripted", pytest.param("real", marks=pytest.mark.real))
"""The fixtures for a test that runs with each program."""


def real_claude() -> str:
    """Return the path of the pinned claude; skip the test if it isn't installed."""
    path = Path(os.environ.get("CLAUDE_REAL") or INSTALLED)
    if not path.exists():
        pytest.skip("the real claude is not installed (scripts/install-claude needs npm)")
    return str(path)


def real_environment(home: Path, api_url: str) -> dict[str, str]:
    """Return a minimal environment: its own home, a fake key, and the double as its only peer."""
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
    """Return a minimal environment for the scripted stand-in."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "SCRIPTED_CLAUDE_PACE": "0.01",
    }
