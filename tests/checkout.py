"""A copy of the checkout, like a clone."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.claude import ROOT

NOT_IGNORED = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


def copy_checkout(target: Path) -> Path:
    """Copy the files that git tracks or would track; skip the test if this is no clone.

    Args:
        target: The directory to make.

    Returns:
        The directory.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: which files belong to it can't be told")
    listed = subprocess.run(NOT_IGNORED, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_symlink() or source.exists():  # else it was deleted, but isn't committed yet
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    return target
